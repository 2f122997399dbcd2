//! Access: one line for each response, in the Combined Log Format with the cache status behind it.

use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use crate::http::{CacheStatus, HttpDate, RequestHead, StatusCode, Version};

/// What one line says.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// The request; none if it could not be read.
    pub request: Option<&'a RequestHead>,
    /// The status of the response.
    pub status: StatusCode,
    /// Bytes of content that were sent.
    pub sent: u64,
    /// How the cache took part in it.
    pub cache_status: Option<CacheStatus>,
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} - - [{}] \"",
            self.client.to_canonical(),
            HttpDate::of(SystemTime::now()).common_log()
        )?;
        match self.request {
            Some(request) => {
                let version = if request.version == Version::Http10 {
                    "1.0"
                } else {
                    "1.1"
                };
                write!(
                    f,
                    "{} {} HTTP/{version}",
                    request.method.as_str(),
                    Quoted(request.target.raw())
                )?;
            }
            None => f.write_str("-")?,
        }
        write!(f, "\" {} {}", self.status.code(), self.sent)?;
        for name in ["Referer", "User-Agent"] {
            let value = self
                .request
                .and_then(|request| request.fields.get(name))
                .unwrap_or(b"-");
            write!(f, " \"{}\"", Quoted(value))?;
        }
        match self.cache_status {
            Some(status) => write!(f, " {}", status.word()),
            None => f.write_str(" -"),
        }
    }
}

/// A client's bytes inside quotes, escaped so that they can end neither the quotes nor the line.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            match byte {
                b'"' | b'\\' | 0..=0x1f | 0x7f.. => write!(f, "\\x{byte:02X}")?,
                _ => write!(f, "{}", char::from(*byte))?,
            }
        }
        Ok(())
    }
}
