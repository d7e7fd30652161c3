//! Where tokio-console is to find the lab.

use std::net::{Ipv4Addr, SocketAddr};

/// Reads `IP:PORT`, `localhost:PORT` or `PORT`.
///
/// # Errors
/// A sentence that says what to write instead.
pub(super) fn socket(text: &str) -> Result<SocketAddr, String> {
    let here = text.strip_prefix("localhost:").unwrap_or(text).parse::<u16>();
    if let Ok(port) = here {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse().map_err(|_| {
        "it is not an address; write --console=IP:PORT or --console=PORT, or put --console \
         after the command"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::socket;

    #[test]
    fn an_address_may_be_short() {
        let read = |text| socket(text).map(|socket| socket.to_string());
        assert_eq!(read("6670").as_deref(), Ok("127.0.0.1:6670"));
        assert_eq!(read("localhost:6670").as_deref(), Ok("127.0.0.1:6670"));
        assert_eq!(read("0.0.0.0:6669").as_deref(), Ok("0.0.0.0:6669"));
        assert_eq!(read("[::1]:6669").as_deref(), Ok("[::1]:6669"));
        for wrong in ["mixed", "66666", "127.0.0.1", "localhost", "localhost:x", ""] {
            assert!(read(wrong).is_err_and(|error| error.contains("--console=IP:PORT")), "{wrong}");
        }
    }
}
