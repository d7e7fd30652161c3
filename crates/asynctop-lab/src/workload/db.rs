//! An embedded database: users in a real file, read synchronously. A query blocks the calling
//! thread, as with any database that runs in the process.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use redb::{ReadableDatabase, ReadableTable, TableDefinition};
use serde::Serialize;

/// Name, city, score.
const USERS: TableDefinition<'_, u64, (&str, &str, u64)> = TableDefinition::new("users");
/// Pages that are kept in memory: enough for all users, so that the processor is what a
/// query takes.
const CACHE_BYTES: usize = 64 << 20;
const NAMES: [&str; 8] = ["Ada", "Alan", "Barbara", "Edsger", "Frances", "Grace", "John", "Tony"];
const CITIES: [&str; 5] = ["Amsterdam", "Boston", "Cambridge", "Eindhoven", "London"];

/// A user as the service answers it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct User {
    pub id: u64,
    pub name: String,
    pub city: String,
    pub score: u64,
}

/// A database with its users. Its file has no name any more: the system forgets it with
/// the last who holds it, also when the program is killed.
pub(super) struct Database(redb::Database);

impl Database {
    /// Makes a new file in the directory for temporary files and writes `users` into it.
    pub(super) fn open(users: u64) -> io::Result<Database> {
        let backend = redb::backends::FileBackend::new(nameless()?).map_err(redb::Error::from);
        let database = backend.and_then(|backend| {
            let mut builder = redb::Database::builder();
            Ok(builder.set_cache_size(CACHE_BYTES).create_with_backend(backend)?)
        });
        let database = Database(database.map_err(|error| failed("create", error))?);
        database.seed(users).map_err(|error| failed("fill", error))?;
        Ok(database)
    }

    fn seed(&self, users: u64) -> Result<(), redb::Error> {
        let transaction = self.0.begin_write()?;
        {
            let mut table = transaction.open_table(USERS)?;
            for id in 1..=users {
                let (name, city) = (pick(&NAMES, id), pick(&CITIES, id / 3));
                // Any order that is not the order of the ids.
                let score = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44;
                table.insert(id, (name, city, score))?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// The users with the highest scores, best first. There is no index by score, so it
    /// reads them all: the time that it takes grows with their number.
    pub(super) fn best(&self, most: usize) -> io::Result<Vec<User>> {
        self.scan(most).map_err(|error| failed("read", error))
    }

    fn scan(&self, most: usize) -> Result<Vec<User>, redb::Error> {
        let table = self.0.begin_read()?.open_table(USERS)?;
        let mut best: Vec<(u64, u64)> = Vec::with_capacity(most + 1);
        for entry in table.iter()? {
            let (id, user) = entry?;
            let at = (user.value().2, id.value());
            let place = best.partition_point(|other| *other > at);
            if place < most {
                best.insert(place, at);
                best.truncate(most);
            }
        }
        let users = best.into_iter().map(|(_, id)| get(&table, id));
        Ok(users.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The user with this number, if there is one.
    pub(super) fn user(&self, id: u64) -> io::Result<Option<User>> {
        let table = || Ok::<_, redb::Error>(self.0.begin_read()?.open_table(USERS)?);
        table().and_then(|table| get(&table, id)).map_err(|error| failed("read", error))
    }
}

fn get(
    table: &impl ReadableTable<u64, (&'static str, &'static str, u64)>,
    id: u64,
) -> Result<Option<User>, redb::Error> {
    Ok(table.get(id)?.map(|found| {
        let (name, city, score) = found.value();
        User { id, name: name.to_owned(), city: city.to_owned(), score }
    }))
}

fn pick(from: &[&'static str], number: u64) -> &'static str {
    from[(number % from.len() as u64) as usize]
}

/// A file of our own whose name is taken away at once.
fn nameless() -> io::Result<File> {
    static OPENED: AtomicU64 = AtomicU64::new(0);
    let number = OPENED.fetch_add(1, Ordering::Relaxed);
    let path = env::temp_dir().join(format!("asynctop-{}-{number}.redb", process::id()));
    let explain = |error: io::Error| {
        let said = format!(
            "cannot make the database's file {}: {error} (TMPDIR can name another directory)",
            path.display()
        );
        io::Error::new(error.kind(), said)
    };
    // Of a program with this number that was killed just before it took the name away.
    let _ = fs::remove_file(&path);
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path);
    let file = file.map_err(explain)?;
    fs::remove_file(&path).map_err(explain)?;
    Ok(file)
}

fn failed(what: &str, error: redb::Error) -> io::Error {
    let full = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    };
    match error {
        redb::Error::Io(error) if full(&error) => io::Error::new(
            error.kind(),
            format!(
                "cannot {what} the database: no space is left in {} (TMPDIR can name another \
                 directory, and `users` asks for less)",
                env::temp_dir().display()
            ),
        ),
        error => io::Error::other(format!("cannot {what} the database: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_are_the_best_of_all() {
        let database = Database::open(500).expect("a database");
        let best = database.best(10).expect("an answer");
        assert_eq!(best.len(), 10);
        assert!(best.windows(2).all(|pair| pair[0].score >= pair[1].score));
        let all = (1..=500).map(|id| database.user(id).expect("an answer").expect("a user").score);
        assert_eq!(all.max(), Some(best[0].score));
        assert_eq!(database.user(501).expect("an answer"), None);
    }

    #[test]
    fn its_file_has_no_name_while_it_is_open() {
        let database = Database::open(1).expect("a database");
        let own = format!("asynctop-{}-", process::id());
        let here = fs::read_dir(env::temp_dir()).expect("a directory").flatten();
        let named = here.filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with(&own) && name.ends_with(".redb")
        });
        // Another test may be between making its file and taking its name away.
        assert!(named.count() <= 1);
        assert!(database.user(1).expect("an answer").is_some());
    }
}
