//! The rule by which the kernel denies reading a process, with a remedy, in one sentence.

use std::{env, fs, io, os::unix::fs::MetadataExt};

/// The bit of `CAP_SYS_PTRACE` in a set of capabilities.
const SYS_PTRACE: u64 = 1 << 19;

/// The conditions that allow or deny reading another process.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// Effective user of this process.
    pub user: u32,
    /// User of the other process.
    pub owner: Option<u32>,
    /// Yama's `ptrace_scope`; `None` without Yama.
    pub ptrace_scope: Option<u32>,
    /// Whether this process has `CAP_SYS_PTRACE`.
    pub may_trace: bool,
    /// Whether this process seems to run in a container.
    pub in_container: bool,
    /// Whether a seccomp filter applies to this process.
    pub is_filtered: bool,
    /// This command, with an absolute path.
    pub command: String,
}

impl Access {
    pub(crate) fn examine(pid: u32) -> Access {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
        };
        let capabilities = field("CapEff").and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let in_container = fs::exists("/.dockerenv").unwrap_or(false)
            || fs::exists("/run/.containerenv").unwrap_or(false)
            || field("NSpid").is_some_and(|ids| ids.split_whitespace().count() > 1)
            || fs::read_to_string("/proc/1/comm").is_ok_and(|name| {
                fs::read_link("/proc/self").is_ok_and(|pid| pid.as_os_str() == "1")
                    && name.trim() != "systemd"
            });
        Access {
            user: rustix::process::geteuid().as_raw(),
            owner: fs::metadata(format!("/proc/{pid}")).ok().map(|process| process.uid()),
            ptrace_scope: fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
                .ok()
                .and_then(|text| text.trim().parse().ok()),
            may_trace: capabilities.is_some_and(|set| set & SYS_PTRACE != 0),
            in_container,
            is_filtered: field("Seccomp").is_some_and(|mode| mode != "0"),
            command: own_command(),
        }
    }

    /// The rule that denies access, and a remedy.
    pub(crate) fn explain(&self) -> String {
        let Access { user, command, .. } = self;
        let sudo = format!("run: sudo {command}");
        match (self.owner, self.ptrace_scope) {
            (_, Some(3)) => "kernel.yama.ptrace_scope is 3, which denies it to everyone until the \
                             next boot"
                .into(),
            _ if self.may_trace && self.is_filtered => {
                "this process runs under a seccomp filter, which may deny it; start its container \
                 with --security-opt seccomp=unconfined, or inspect from the host"
                    .into()
            }
            _ if self.may_trace => {
                "a security module or a user namespace denies it even to CAP_SYS_PTRACE; inspect \
                 it from outside its container, or change the policy"
                    .into()
            }
            (Some(owner), _) if *user == 0 => format!(
                "it belongs to user {owner} and this user is root without CAP_SYS_PTRACE; start \
                 the container with --cap-add SYS_PTRACE"
            ),
            (Some(owner), _) if owner != *user => {
                format!("it belongs to user {owner}, this is user {user}; {sudo}")
            }
            _ if self.in_container => "this container lacks the capability; start it with \
                                       --cap-add SYS_PTRACE"
                .into(),
            (_, Some(1)) => format!(
                "kernel.yama.ptrace_scope is 1, which denies it to all but parent processes; {sudo}, \
                 or start the program with `asynctop run -- COMMAND`, which reads all but the stacks \
                 of threads that compute"
            ),
            (_, Some(scope @ 2..)) => format!(
                "kernel.yama.ptrace_scope is {scope}, which denies it to all but CAP_SYS_PTRACE; \
                 {sudo}"
            ),
            (None, _) => format!("its owner is hidden (hidepid); {sudo}"),
            _ => format!(
                "it has gained privileges that this user does not have (setuid or file \
                 capabilities), or is marked as not dumpable; {sudo}"
            ),
        }
    }
}

/// This command, with an absolute path.
fn own_command() -> String {
    let program = env::current_exe()
        .map_or_else(|_| env::args().next().unwrap_or_default(), |path| path.display().to_string());
    std::iter::once(program).chain(env::args().skip(1)).collect::<Vec<_>>().join(" ")
}

/// The reason why the kernel denies a real-time priority, with a remedy.
pub(crate) fn explain_no_realtime(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied if rustix::process::geteuid().is_root() => {
            "this user is root without CAP_SYS_NICE, or its control group has no real-time budget; \
             start the container with --cap-add SYS_NICE"
                .to_owned()
        }
        io::ErrorKind::PermissionDenied => format!(
            "it needs CAP_SYS_NICE or a limit of real-time priorities of at least 1 (`ulimit -r`); \
             run: sudo {}",
            own_command()
        ),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access {
            user: 1000,
            owner: Some(1000),
            ptrace_scope: Some(0),
            may_trace: false,
            in_container: false,
            is_filtered: false,
            command: "/usr/bin/asynctop dump 7".into(),
        }
    }

    #[test]
    fn denial_names_the_rule_and_the_command_to_run() {
        let sudo = "run: sudo /usr/bin/asynctop dump 7";
        let cases = [
            (Access { owner: Some(33), ..access() }, "belongs to user 33, this is user 1000", sudo),
            (Access { ptrace_scope: Some(1), ..access() }, "all but parent processes", sudo),
            (Access { ptrace_scope: Some(1), ..access() }, "asynctop run -- COMMAND", sudo),
            (Access { ptrace_scope: Some(2), ..access() }, "ptrace_scope is 2", sudo),
            (Access { ptrace_scope: Some(3), ..access() }, "denies it to everyone", "boot"),
            (Access { owner: None, ..access() }, "hidepid", sudo),
            (access(), "not dumpable", sudo),
            (Access { in_container: true, ..access() }, "container", "--cap-add SYS_PTRACE"),
            (Access { in_container: true, owner: Some(0), ..access() }, "belongs to user 0", sudo),
            (Access { user: 0, ..access() }, "without CAP_SYS_PTRACE", "--cap-add SYS_PTRACE"),
            (
                Access { may_trace: true, is_filtered: true, ..access() },
                "seccomp filter",
                "seccomp=unconfined",
            ),
            (
                Access { may_trace: true, in_container: true, ..access() },
                "security module",
                "user namespace",
            ),
        ];
        for (access, rule, advice) in cases {
            let text = access.explain();
            assert!(text.contains(rule) && text.contains(advice), "{access:?}: {text}");
        }
    }
}
