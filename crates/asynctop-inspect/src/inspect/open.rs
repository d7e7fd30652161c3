//! Opening a process: identity, rights, and the copies of Tokio in it.

use std::{
    cell::RefCell, collections::HashMap, fs, ops::Range, os::unix::fs::MetadataExt, sync::Arc,
    time::Duration,
};

use asynctop_stack::Unwinder;

use crate::{
    error::OpenError,
    inspect::{
        TokioCopy,
        blocks::{Block, Contexts, CurrentWord, Offsets},
        no_runtimes::NoRuntimes,
    },
    memory::MemoryExt,
    names::{future::TypeNames, lines::Lines, location::CodeLocation, text::sanitize},
    process::{
        identity::Identity,
        maps::{Maps, Pages},
        modules::{self, Module},
        stat::Stat,
        threads::Thread,
        tls::{self, Tcb},
    },
    tokio::{
        pool,
        runtime::Runtime,
        version,
        vtable::{self, Vtables},
    },
};

/// Maximum number of bytes read of a thread-local block.
const MAX_BLOCK_LENGTH: u64 = 1 << 16;
/// Maximum number of bytes of read-only data that are searched for Tokio's version.
const MAX_VERSION_TEXT: u64 = 1 << 27;

/// A running process with Tokio in it.
pub struct Process {
    pub(crate) identity: Arc<Identity>,
    pub(super) command: String,
    pub(crate) modules: Vec<Module>,
    /// The code that was mapped when the list of modules was last updated.
    pub(super) code: Vec<Range<u64>>,
    pub(crate) vtables: Vtables,
    /// Indices of the modules that contain Tokio, in the order of `copies`.
    pub(super) with_tokio: Vec<usize>,
    pub(super) copies: Vec<TokioCopy>,
    /// Thread control blocks found by earlier inspections.
    pub(super) tcbs: HashMap<u32, Tcb>,
    /// Runtimes found so far, by handle.
    pub(super) runtimes: HashMap<u64, Runtime>,
    pub(super) no_runtimes: NoRuntimes,
    /// Counters of the runtimes' blocking pools, by handle.
    pub(super) pools: HashMap<u64, pool::CountersAddress>,
    /// Names of task types, by vtable.
    pub(super) names: HashMap<u64, Arc<TypeNames>>,
    /// Spawn locations by address.
    pub(super) spawn_locations: RefCell<HashMap<u64, Option<Arc<CodeLocation>>>>,
    /// Line tables by module, loaded on first use.
    pub(super) lines: HashMap<usize, Option<Lines>>,
    /// Offsets of the current task in thread-local blocks, by module.
    pub(super) offsets: HashMap<usize, Offsets>,
    /// The address of each thread's current task, as of the latest inspection; empty if its check
    /// failed.
    pub(crate) current_words: Vec<CurrentWord>,
    /// The workers' loops, which are blocking tasks: the vtable and the id of each, as of the latest
    /// inspection.
    pub(super) worker_loops: Vec<(u64, u64)>,
    /// Pointers that may lead to each thread's context, as of the latest inspection.
    pub(crate) contexts: Vec<Contexts>,
    /// Address of each worker's busy time, by thread, as of the latest inspection.
    pub(crate) busy_words: HashMap<u32, u64>,
    /// Created for the first stack that is read.
    pub(super) unwinder: Option<Unwinder>,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process")
            .field("pid", &self.pid())
            .field("command", &self.command)
            .field("tokio", &self.copies)
            .finish_non_exhaustive()
    }
}

impl Process {
    /// Opens the process with this id.
    ///
    /// # Errors
    ///
    /// If there is no such process, it cannot be read, no Tokio is found in it, or this machine's
    /// processor is not supported.
    pub fn open(pid: u32) -> Result<Process, OpenError> {
        check_architecture(pid, std::env::consts::ARCH)?;
        let mut identity = Identity::open(pid)?;
        let io = |what| move |source| OpenError::Io { pid, what, source };
        let command = command(&identity).map_err(io("stat"))?;
        let maps = Maps::read(&identity.path("maps")).map_err(io("maps"))?;
        let program = identity.path("exe");
        let path = fs::read_link(&program).unwrap_or_default();
        let inode = fs::metadata(&program).ok().map(|file| file.ino());
        let Some(anchor) = anchor(&maps, &path.to_string_lossy(), inode) else {
            identity.verify()?;
            return Err(OpenError::NoMemory { pid, reason: "no file is mapped" });
        };
        identity.set_anchor(anchor)?;
        let mut process = Process {
            identity: Arc::new(identity),
            command,
            modules: Vec::new(),
            code: Vec::new(),
            vtables: Vtables::default(),
            with_tokio: Vec::new(),
            copies: Vec::new(),
            tcbs: HashMap::new(),
            runtimes: HashMap::new(),
            no_runtimes: NoRuntimes::default(),
            pools: HashMap::new(),
            names: HashMap::new(),
            spawn_locations: RefCell::default(),
            lines: HashMap::new(),
            offsets: HashMap::new(),
            current_words: Vec::new(),
            worker_loops: Vec::new(),
            contexts: Vec::new(),
            busy_words: HashMap::new(),
            unwinder: None,
        };
        let unreadable = process.update_modules(&maps);
        process.find_tokio(&maps);
        if process.vtables.is_empty() {
            process.identity.verify()?;
            let reason = process.no_tokio_reason(&maps, &unreadable);
            return Err(OpenError::NotTokio { pid, command: process.command, reason });
        }
        Ok(process)
    }

    /// Adds the libraries that are loaded and not among the modules yet: by the program or, if the program
    /// was just starting when it was opened, by the dynamic loader. Returns the paths of those that cannot
    /// be opened.
    pub(super) fn update_modules(&mut self, maps: &Maps) -> Vec<String> {
        let code = || maps.code().map(|mapping| &mapping.range);
        if code().eq(&self.code) {
            return Vec::new();
        }
        self.code = code().cloned().collect();
        self.unwinder = None;
        let changes = modules::update(&self.identity, maps, &mut self.modules);
        self.lines.retain(|index, _| !changes.unloaded.contains(index));
        changes.unreadable
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.identity.pid()
    }

    /// Name of its program.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// The copies of Tokio in it.
    pub fn copies(&self) -> &[TokioCopy] {
        &self.copies
    }

    fn find_tokio(&mut self, maps: &Maps) {
        let mut vtables = Vtables::new();
        for (index, module) in self.modules.iter().enumerate() {
            let constants = module.constants(maps);
            let found =
                vtable::find(&*self.identity, &constants, |address| module.is_code(address));
            if found.is_empty() {
                continue;
            }
            let version = self.tokio_version(module);
            self.with_tokio.push(index);
            self.copies.push(TokioCopy {
                module: sanitize(&module.path),
                version,
                is_unstable: found.iter().any(|vtable| vtable.spawn_location.is_some()),
                task_types: found.len(),
                has_symbols: module.image_with(".symtab").is_some(),
                has_lines: module.image_with(".debug_line").is_some(),
            });
            vtables.extend(found.into_iter().map(|vtable| (vtable.address, vtable)));
        }
        self.vtables = vtables;
    }

    fn tokio_version(&self, module: &Module) -> Option<String> {
        let text = module.section(".rodata").unwrap_or_default();
        let length = (text.end - text.start).min(MAX_VERSION_TEXT) as usize;
        version::find(&self.identity.bytes(text.start, length))
    }

    /// The reason why no vtables were found.
    fn no_tokio_reason(&self, maps: &Maps, unreadable: &[String]) -> String {
        let may_be_older = self.modules.iter().any(|module| {
            let constants = module.constants(maps);
            vtable::has_older_shape(&*self.identity, &constants, |address| module.is_code(address))
        });
        let version = self.modules.iter().find_map(|module| self.tokio_version(module));
        match (may_be_older, version) {
            (_, Some(version)) => {
                format!(
                    "it contains Tokio {version}, but 1.23 or later and spawned tasks are needed"
                )
            }
            (true, None) => "it may contain a Tokio older than 1.23, which is not supported".into(),
            (false, None) if !unreadable.is_empty() => format!(
                "no table of Tokio's task functions was found; {} of its files could not be \
                 opened, the first is {}",
                unreadable.len(),
                sanitize(&unreadable[0])
            ),
            (false, None) => "no table of Tokio's task functions was found".into(),
        }
    }

    /// The thread-local blocks of all threads, for all copies of Tokio.
    pub(super) fn blocks(&mut self, maps: &Maps, pages: &Pages, threads: &[Thread]) -> Vec<Block> {
        tls::find(&*self.identity, maps, pages, threads, &mut self.tcbs);
        let mut blocks = Vec::new();
        for &index in &self.with_tokio {
            let module = &self.modules[index];
            let Some(size) = module.image.tls_size else { continue };
            // The number by which the dynamic loader knows the module.
            let number = match (module.is_main, module.image.tls_module_slot) {
                (true, _) => Some(1),
                (false, Some(slot)) => self.identity.word(module.bias.wrapping_add(slot)),
                (false, None) => None,
            };
            let Some(number) = number else { continue };
            for (&tid, tcb) in &self.tcbs {
                let Some(address) = tcb.block(&*self.identity, number) else { continue };
                let words = self.identity.words(address, (size.min(MAX_BLOCK_LENGTH) / 8) as usize);
                blocks.push(Block { tid, module: index, address, words });
            }
        }
        blocks.sort_by_key(|block| (block.module, block.tid));
        blocks
    }

    /// The time since the process was started.
    pub(crate) fn uptime(&self) -> Option<Duration> {
        let started = Stat::read(self.pid()).ok()?.start_time;
        // In a container, `/proc/uptime` may be that of the container.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let now = Duration::new(now.tv_sec.try_into().ok()?, now.tv_nsec.try_into().ok()?);
        age(now, started, rustix::param::clock_ticks_per_second())
    }
}

/// An address that is mapped as long as the program runs: in its file, or else in any other one. A data
/// file may be unmapped before, and may have the lowest address.
fn anchor(maps: &Maps, program: &str, inode: Option<u64>) -> Option<u64> {
    let files = || maps.iter().filter(|mapping| mapping.readable && mapping.inode != 0);
    let own = files().filter(|mapping| mapping.name == program);
    // The inodes of some file systems differ.
    let own = own.min_by_key(|it| (inode != Some(it.inode), !it.executable));
    Some(own.or_else(|| files().next())?.range.start)
}

/// The age of a process that was started this many ticks after the machine, which was `now` ago.
fn age(now: Duration, started: u64, ticks_per_second: u64) -> Option<Duration> {
    let started = started as f64 / ticks_per_second.max(1) as f64;
    now.checked_sub(Duration::try_from_secs_f64(started).ok()?)
}

/// Tokio's structures, thread control blocks and unwinding depend on the kind of processor.
fn check_architecture(pid: u32, architecture: &'static str) -> Result<(), OpenError> {
    match architecture {
        "x86_64" => Ok(()),
        _ => Err(OpenError::Unsupported { pid, architecture }),
    }
}

/// Name of the program: its first argument without folders, else the kernel's name.
fn command(identity: &Identity) -> std::io::Result<String> {
    let line = fs::read(identity.path("cmdline")).unwrap_or_default();
    let first = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let path = String::from_utf8_lossy(first);
    let name = path.rsplit('/').next().unwrap_or_default();
    if !name.is_empty() {
        return Ok(sanitize(name));
    }
    Ok(sanitize(&Stat::read(identity.pid())?.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_processors_are_not_supported() {
        check_architecture(7, "x86_64").expect("supported");
        let error = check_architecture(7, "aarch64").expect_err("not supported");
        assert_eq!(
            error.to_string(),
            "cannot read process 7: only x86_64 is supported, and this machine is aarch64"
        );
    }

    #[test]
    fn process_that_seems_to_start_in_the_future_has_no_known_age() {
        let now = Duration::from_secs(100);
        assert_eq!(age(now, 9_950, 100), Some(Duration::from_millis(500)));
        assert_eq!(age(now, 10_001, 100), None);
        assert_eq!(age(now, u64::MAX, 100), None);
    }

    #[test]
    fn anchor_is_in_the_program_not_in_a_data_file_below_it() {
        let maps = Maps::parse(
            "1000-2000 r--s 00000000 08:01 9                          /data/index\n\
             3000-4000 r--p 00000000 08:01 4                          /bin/server\n\
             4000-5000 r-xp 00001000 08:01 4                          /bin/server\n\
             6000-7000 r-xp 00000000 08:01 5                          /bin/server\n\
             8000-9000 r-xp 00000000 08:01 6                          /lib/libc.so\n",
        );
        assert_eq!(anchor(&maps, "/bin/server", Some(4)), Some(0x4000));
        assert_eq!(anchor(&maps, "/bin/server", Some(5)), Some(0x6000));
        assert_eq!(anchor(&maps, "/bin/server", None), Some(0x4000));
        assert_eq!(anchor(&maps, "/other/name", Some(4)), Some(0x1000));
        assert_eq!(anchor(&Maps::default(), "/bin/server", None), None);
    }
}
