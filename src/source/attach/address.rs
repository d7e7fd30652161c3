//! Addresses of programs with console-subscriber.

use std::{fmt, str::FromStr};

use tonic::transport::Endpoint;

/// The default port of console-subscriber.
const PORT: u16 = 6669;
/// Maximum length of a socket path in bytes, as `sockaddr_un` limits it.
const MAX_SOCKET_PATH: usize = 107;

/// The address of a program with console-subscriber.
///
/// ```
/// use asynctop::source::Address;
///
/// for (text, short) in [
///     ("http://127.0.0.1:6669", "127.0.0.1:6669"),
///     ("localhost:7000", "localhost:7000"),
///     ("7000", "127.0.0.1:7000"),
///     ("example.org", "example.org:6669"),
///     ("unix:/run/app.sock", "/run/app.sock"),
///     ("/run/app.sock", "/run/app.sock"),
/// ] {
///     assert_eq!(text.parse::<Address>().unwrap().to_string(), short);
/// }
/// assert!("ftp://example.org".parse::<Address>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host and a port.
    Tcp(String),
    /// The path of a Unix socket.
    Unix(String),
}

impl Default for Address {
    fn default() -> Self {
        Address::Tcp(format!("127.0.0.1:{PORT}"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(authority) | Address::Unix(authority) => f.write_str(authority),
        }
    }
}

/// The reason why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address: {0}; write host:port, http://host:port or unix:/path")]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = |reason: &str| Err(AddressError(reason.to_owned()));
        let scheme = |prefix: &str| {
            let (start, rest) = text.split_at_checked(prefix.len())?;
            start.eq_ignore_ascii_case(prefix).then_some(rest)
        };
        // tokio-console writes file://localhost/path.
        let file = || scheme("file://localhost").or_else(|| scheme("file://"));
        let path = scheme("unix://").or_else(|| scheme("unix:")).or_else(file);
        if let Some(path) = path.or_else(|| text.starts_with(['/', '.']).then_some(text)) {
            return match path {
                "" => error("the socket path is missing"),
                path if path.len() > MAX_SOCKET_PATH => {
                    error("a socket path has at most 107 bytes")
                }
                path => Ok(Address::Unix(path.to_owned())),
            };
        }
        if scheme("https://").is_some() {
            return error("console-subscriber does not support TLS");
        }
        let authority = scheme("http://").unwrap_or(text);
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains("://") {
            return error("only http and unix are supported");
        }
        if authority.contains(['/', '?', '#', '@', ' ']) {
            return error("only a host and a port are allowed");
        }
        // Consistent with --console: a number alone is a local port.
        if !authority.is_empty() && authority.bytes().all(|byte| byte.is_ascii_digit()) {
            return format!("127.0.0.1:{authority}").parse();
        }
        if authority.matches(':').count() > 1 && !authority.contains(['[', ']']) {
            return error("a host with colons must be in brackets, like [::1]:6669");
        }
        let (host, port) = split(authority);
        if host.is_empty() {
            return error("the host is missing");
        }
        let port = match port {
            None => PORT,
            Some(digits) => match digits.parse() {
                Ok(0) | Err(_) => return error("a port is a number from 1 to 65535"),
                Ok(port) => port,
            },
        };
        let address = Address::Tcp(format!("{host}:{port}"));
        match address.endpoint() {
            Ok(_) => Ok(address),
            Err(_) => error("the host contains invalid characters"),
        }
    }
}

/// Splits into host and port; an IPv6 host is in brackets.
fn split(authority: &str) -> (&str, Option<&str>) {
    if let Some(end) = authority.rfind(']') {
        let (host, rest) = authority.split_at(end + 1);
        return (host, (!rest.is_empty()).then(|| rest.strip_prefix(':').unwrap_or("")));
    }
    match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    }
}

impl Address {
    /// The tonic endpoint of this address.
    pub(super) fn endpoint(&self) -> Result<Endpoint, tonic::transport::Error> {
        match self {
            Address::Tcp(authority) => Endpoint::from_shared(format!("http://{authority}")),
            Address::Unix(path) => Endpoint::from_shared(format!("unix:{path}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_addresses_report_the_reason() {
        for (text, reason) in [
            ("", "the host is missing"),
            ("http://", "the host is missing"),
            (":6669", "the host is missing"),
            ("unix:", "the socket path is missing"),
            ("https://host:1", "console-subscriber does not support TLS"),
            ("ftp://host:1", "only http and unix are supported"),
            ("host:0", "a port is a number from 1 to 65535"),
            ("host:99999", "a port is a number from 1 to 65535"),
            ("host:http", "a port is a number from 1 to 65535"),
            ("::1", "a host with colons must be in brackets"),
            ("::1:7000", "a host with colons must be in brackets"),
            ("99999", "a port is a number from 1 to 65535"),
            ("HTTPS://host:1", "console-subscriber does not support TLS"),
            (&format!("/{}", "x".repeat(107)), "at most 107 bytes"),
            ("http://host:1/path", "only a host and a port are allowed"),
            ("me@host", "only a host and a port are allowed"),
            ("a b", "only a host and a port are allowed"),
            ("ho<st:1", "the host contains invalid characters"),
        ] {
            let error = text.parse::<Address>().expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn schemes_ignore_case() {
        assert_eq!("HTTP://Host:7000/".parse(), Ok(Address::Tcp("Host:7000".into())));
        for path in ["Unix:/x", "file:///x", "file://localhost/x"] {
            assert_eq!(path.parse(), Ok(Address::Unix("/x".into())));
        }
        assert!("é:".parse::<Address>().is_err(), "must not split inside a character");
    }

    #[test]
    fn ipv6_hosts_are_in_brackets() {
        assert_eq!("[::1]:7000".parse(), Ok(Address::Tcp("[::1]:7000".into())));
        assert_eq!("[::1]".parse(), Ok(Address::Tcp("[::1]:6669".into())));
        assert!("[::1]7000".parse::<Address>().is_err());
    }
}
