//! An embedded database: users in a real file, read synchronously. A query blocks the calling
//! thread, as with any database that runs in the process.

use std::{env, io};

use redb::{ReadableDatabase, ReadableTable, TableDefinition};
use serde::Serialize;

use super::temp_file::unlinked_file;

/// Name, city, score.
const USERS: TableDefinition<'_, u64, (&str, &str, u64)> = TableDefinition::new("users");
/// The page cache holds all users, so that a query is limited by the CPU.
const CACHE_BYTES: usize = 64 << 20;
const NAMES: [&str; 8] = ["Ada", "Alan", "Barbara", "Edsger", "Frances", "Grace", "John", "Tony"];
const CITIES: [&str; 5] = ["Amsterdam", "Boston", "Cambridge", "Eindhoven", "London"];

/// A user in an answer of the service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct User {
    pub id: u64,
    pub name: String,
    pub city: String,
    pub score: u64,
}

/// A database of users in an unlinked file: the system removes it when the database is dropped, or
/// when the program is killed.
pub(super) struct Database(redb::Database);

impl Database {
    /// Creates a temporary file and writes this many users into it.
    pub(super) fn open(users: u64) -> io::Result<Database> {
        let backend = redb::backends::FileBackend::new(unlinked_file()?).map_err(redb::Error::from);
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
                // Any order other than that of the IDs.
                let score = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44;
                table.insert(id, (name, city, score))?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// The users with the highest scores, best first. There is no index by score, so the query
    /// reads all users and takes time in proportion to their number.
    pub(super) fn best(&self, max: usize) -> io::Result<Vec<User>> {
        self.scan(max).map_err(|error| failed("read", error))
    }

    fn scan(&self, max: usize) -> Result<Vec<User>, redb::Error> {
        let table = self.0.begin_read()?.open_table(USERS)?;
        let mut best: Vec<(u64, u64)> = Vec::with_capacity(max + 1);
        for entry in table.iter()? {
            let (id, user) = entry?;
            let scored = (user.value().2, id.value());
            let rank = best.partition_point(|other| *other > scored);
            if rank < max {
                best.insert(rank, scored);
                best.truncate(max);
            }
        }
        let users = best.into_iter().map(|(_, id)| get(&table, id));
        Ok(users.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The user with this ID.
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

fn failed(operation: &str, error: redb::Error) -> io::Error {
    let is_full = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    };
    match error {
        redb::Error::Io(error) if is_full(&error) => io::Error::new(
            error.kind(),
            format!(
                "cannot {operation} the database: no space is left in {} (TMPDIR can name another \
                 directory; fewer `users` need less space)",
                env::temp_dir().display()
            ),
        ),
        error => io::Error::other(format!("cannot {operation} the database: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_returns_the_highest_scores_in_order() {
        let database = Database::open(500).expect("a database");
        let best = database.best(10).expect("an answer");
        assert_eq!(best.len(), 10);
        assert!(best.windows(2).all(|pair| pair[0].score >= pair[1].score));
        let all = (1..=500).map(|id| database.user(id).expect("an answer").expect("a user").score);
        assert_eq!(all.max(), Some(best[0].score));
        assert_eq!(database.user(501).expect("an answer"), None);
    }
}
