//! `/proc/PID/stat`.

use std::{fs, io, path::Path};

/// The used fields of `/proc/PID/stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Name of the program or thread, at most 15 bytes.
    pub name: String,
    /// `R` running, `S` sleeping, …
    pub state: char,
    /// Process id of its parent.
    pub parent: u32,
    /// CPU time so far, user and system, in clock ticks.
    pub cpu_ticks: u64,
    /// Time of its start, in clock ticks since boot.
    pub start_time: u64,
    pub is_kernel_thread: bool,
    is_exiting: bool,
}

impl Stat {
    /// Whether its memory is released, or will be.
    pub(crate) fn is_ending(&self) -> bool {
        self.is_exiting || matches!(self.state, 'Z' | 'X')
    }

    pub(crate) fn read(pid: u32) -> io::Result<Stat> {
        Stat::read_at(Path::new(&format!("/proc/{pid}/stat")))
    }

    /// Reads the `stat` file of a process or thread.
    pub(crate) fn read_at(path: &Path) -> io::Result<Stat> {
        let text = fs::read(path)?;
        Stat::parse(&String::from_utf8_lossy(&text))
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unknown format"))
    }

    /// The name is in parentheses, and may contain parentheses and spaces.
    fn parse(text: &str) -> Option<Stat> {
        const EXITING: u64 = 0x4;
        const KERNEL_THREAD: u64 = 0x0020_0000;
        let (head, rest) = text.rsplit_once(')')?;
        let (_, name) = head.split_once('(')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Numbered from 1 in proc(5), where the state is field 3.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Stat {
            name: name.to_owned(),
            state: fields.first()?.chars().next()?,
            parent: number(4)?.try_into().ok()?,
            cpu_ticks: number(14)?.saturating_add(number(15)?),
            start_time: number(22)?,
            is_kernel_thread: number(9)? & KERNEL_THREAD != 0,
            is_exiting: number(9)? & EXITING != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_name_may_contain_parentheses_and_spaces() {
        let text = "7 (a) R (b) S 1 7 7 0 -1 4194304 9 0 0 0 30 12 0 0 20 0 1 0 4711 1 1";
        let stat = Stat::parse(text).expect("a valid line");
        assert_eq!(stat.name, "a) R (b");
        assert_eq!((stat.state, stat.cpu_ticks, stat.start_time), ('S', 42, 4711));
        assert!(!stat.is_ending() && !stat.is_kernel_thread);
        let exiting = Stat::parse(&text.replace("4194304", "4194308")).expect("a valid line");
        assert!(exiting.is_ending());
        let zombie = Stat::parse(&text.replace(") S 1", ") Z 1")).expect("a valid line");
        assert!(zombie.is_ending());
        assert_eq!(Stat::parse("7 (a) S 1 2"), None);
        assert_eq!(Stat::parse(""), None);
    }
}
