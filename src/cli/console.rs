//! The address on which the lab is served to tokio-console.

use std::net::{Ipv4Addr, SocketAddr};

/// Parses `IP:PORT`, `localhost:PORT` or `PORT`.
///
/// # Errors
/// A message with the valid forms.
pub(super) fn socket(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").unwrap_or(text).parse::<u16>();
    if let Ok(port) = port {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    text.parse().map_err(|_| {
        "not an address; write --console=IP:PORT or --console=PORT, or put --console after the \
         command"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::socket;

    #[test]
    fn address_may_be_a_port_only() {
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
