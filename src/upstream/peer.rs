//! Peer: whom a connection leads to.

use crate::http::Url;

/// Whom a connection leads to: through a tunnel the source behind it, through a proxy for plain HTTP the proxy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Peer {
    /// A name or an address literal.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether TLS is spoken with it.
    pub is_tls: bool,
}

impl Peer {
    /// The server of `url`.
    pub fn of(url: &Url) -> Self {
        Self {
            host: url.host().to_owned(),
            port: url.port(),
            is_tls: url.is_tls(),
        }
    }
}
