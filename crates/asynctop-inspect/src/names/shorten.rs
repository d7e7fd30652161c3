//! Short forms of type and function names.

/// Futures that wrap another one, their first generic argument, and whose own name does not
/// describe the task: spans, measurements, boxes.
const WRAPPERS: [&str; 10] = [
    "trace::Root",
    "Instrumented",
    "WithDispatch",
    "WithContext",
    "Pin",
    "Box",
    "AssertUnwindSafe",
    "CatchUnwind",
    "Abortable",
    "Timeout",
];

/// The future inside all wrappers: `server::conn::{{closure}}` of
/// `tracing::instrument::Instrumented<server::conn::{{closure}}>`.
fn without_wrappers(mut name: &str) -> &str {
    loop {
        let Some(open) = name.find('<') else { return name };
        let path = &name[..open];
        let is_wrapper = |wrapper: &&str| {
            path.strip_suffix(*wrapper).is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
        };
        let inner = first_argument(name, &name[..=open]).filter(|inner| !inner.starts_with("dyn "));
        match inner {
            Some(inner) if WRAPPERS.iter().any(is_wrapper) => name = inner,
            _ => return name,
        }
    }
}

/// The last two parts of a future type's path, without wrappers, generics and closures:
/// `server::conn` of `server::conn::{{closure}}` or `server::conn<T>::{async_fn_env#0}<T>`.
pub(crate) fn short_type(name: &str) -> String {
    let name = without_wrappers(name);
    let mut path = without_generics(name);
    // The whole path may be in angle brackets: `<server::Conn as core::future::Future>`.
    if path.is_empty() {
        let inner = name.trim_start_matches(['<', '&', '*']);
        path = without_generics(inner.split(" as ").next().unwrap_or(inner));
    }
    let parts: Vec<&str> = path
        .split("::")
        .map(str::trim)
        .filter(|part| !part.is_empty() && !part.starts_with('{'))
        .collect();
    match parts.as_slice() {
        [.., first, last] => format!("{first}::{last}"),
        [only] => (*only).to_owned(),
        [] => name.to_owned(),
    }
}

/// A function's path without generic arguments and traits: `std::io::Stdin::read` of
/// `<std::io::Stdin as std::io::Read>::read::<u8>`.
pub(crate) fn short_function(name: &str) -> String {
    // Inlined functions have no path in line tables.
    for (prefix, short) in
        [("{closure", "closure"), ("{async_fn", "async fn"), ("{async_block", "async block")]
    {
        if name.starts_with(prefix) {
            return short.to_owned();
        }
    }
    let Some(inner) = name.strip_prefix('<') else {
        return without_generics(name).replace("::::", "::").trim_end_matches(':').to_owned();
    };
    let mut depth = 1_usize;
    let mut previous = ' ';
    for (index, c) in inner.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if previous != '-' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let self_type = inner[..index].split(" as ").next().unwrap_or_default();
            let self_type = self_type.trim_start_matches(['&', '*']).trim_start_matches("mut ");
            return short_function(self_type) + &short_function(&inner[index + 1..]);
        }
        previous = c;
    }
    name.to_owned()
}

pub(super) fn without_generics(name: &str) -> String {
    let mut depth = 0_usize;
    let mut path = String::with_capacity(name.len());
    let mut previous = ' ';
    for c in name.chars() {
        match c {
            '<' => depth += 1,
            // The `>` in the arrow of a function type does not close a bracket.
            '>' if previous != '-' => depth = depth.saturating_sub(1),
            _ if depth == 0 => path.push(c),
            _ => {}
        }
        previous = c;
    }
    path
}

/// The first generic argument behind `prefix`, which ends with `<`.
pub(crate) fn first_argument<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = &name[name.find(prefix)? + prefix.len()..];
    let mut depth = 0_usize;
    let mut previous = ' ';
    for (index, c) in rest.char_indices() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' if previous == '-' => {}
            '>' | ')' | ']' | ',' if depth == 0 => return Some(rest[..index].trim()),
            '>' | ')' | ']' => depth -= 1,
            _ => {}
        }
        previous = c;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_types_have_no_wrappers_generics_and_closures() {
        let cases = [
            ("server::conn::{{closure}}", "server::conn"),
            ("my_server::net::handle_conn::{{closure}}::{{closure}}", "net::handle_conn"),
            ("hyper::proto::Conn<I, B, fn(A) -> B>", "proto::Conn"),
            ("app::run<T>::{async_fn_env#0}<T>", "app::run"),
            ("<app::Wait as core::future::future::Future>::poll", "poll"),
            ("Wait", "Wait"),
            ("tracing::instrument::Instrumented<server::conn::{{closure}}>", "server::conn"),
            ("tokio::runtime::task::trace::Root<Instrumented<a::b>>", "a::b"),
            ("app::Root<a::b>", "app::Root"),
            ("app::MyInstrumented<a::b>", "app::MyInstrumented"),
            (
                "core::pin::Pin<alloc::boxed::Box<tracing::instrument::Instrumented<a::b<T>::{{closure}}>>>",
                "a::b",
            ),
            ("core::pin::Pin<alloc::boxed::Box<dyn core::future::Future>>", "boxed::Box"),
            ("tokio::time::timeout::Timeout<Instrumented<x", "timeout::Timeout"),
            ("{{closure}}", "{{closure}}"),
        ];
        for (name, short) in cases {
            assert_eq!(short_type(name), short, "{name}");
        }
    }

    #[test]
    fn short_functions_have_no_generics_and_traits() {
        let cases = [
            ("std::io::read::<std::sys::Stdin>", "std::io::read"),
            ("<std::sys::Fd>::read", "std::sys::Fd::read"),
            ("<&mut a::Fd<u8> as std::io::Read>::read::<u8>", "a::Fd::read"),
            ("block_on<main::{async_block_env#0}>", "block_on"),
            ("{async_fn#0}", "async fn"),
            ("{closure#0}<T>", "closure"),
            ("a::LocalKey<T>::try_with", "a::LocalKey::try_with"),
            ("<unbalanced", "<unbalanced"),
        ];
        for (name, short) in cases {
            assert_eq!(short_function(name), short, "{name}");
        }
    }

    #[test]
    fn first_generic_argument_may_contain_brackets_and_arrows() {
        let cell = "core::ptr::drop_in_place<tokio::runtime::task::core::Cell<a::b<(u8, u8), fn(u8) -> u8>::{{closure}}, alloc::sync::Arc<S>>>";
        assert_eq!(
            first_argument(cell, "task::core::Cell<"),
            Some("a::b<(u8, u8), fn(u8) -> u8>::{{closure}}")
        );
        assert_eq!(first_argument("x::Stage<T>", "Stage<"), Some("T"));
        assert_eq!(first_argument("x::Stage<T", "Stage<"), None);
        assert_eq!(first_argument("x", "Stage<"), None);
    }
}
