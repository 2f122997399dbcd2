//! One question to a running server.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::http::{Caps, Parsed, StatusCode, framing, parse_response};

/// How long connecting, and each wait for the answer, may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer that is read, in bytes: some hundred transfers with long paths have a fraction of that.
const LONGEST: u64 = 16 << 20;

/// What the server at `host` and `port` answers to a GET of `target`.
///
/// # Errors
/// That it does not, in one line with the remedy.
pub fn ask(host: &str, port: u16, target: &str) -> Result<String, String> {
    let shown = match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    let answer = exchange(host, port, &shown, target).map_err(|cause| {
        format!("no package-cache answers at {shown}: {cause}; see --host and --port")
    })?;
    content(&answer).map_err(|why| format!("{shown}: {why}"))
}

/// Sends the request to the first address that takes it, and reads all of the answer.
fn exchange(host: &str, port: u16, authority: &str, target: &str) -> io::Result<Vec<u8>> {
    let mut stream = connect(host, port)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {authority}\r\nAccept: text/plain, application/json\r\nUser-Agent: package-cache-status/{}\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    Ok(answer)
}

fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::other("the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(cause) => last = cause,
        }
    }
    Err(last)
}

/// The content of an answer, if it is a whole 200 of a package-cache.
fn content(answer: &[u8]) -> Result<String, &'static str> {
    const STRANGER: &str = "what answers there is no package-cache; see --host and --port";
    let Ok(Parsed::Complete(head, length)) = parse_response(answer, &Caps::RESPONSE) else {
        return Err(STRANGER);
    };
    let server = head.fields.get("Server").unwrap_or_default();
    if !server.starts_with(b"package-cache/") {
        return Err(STRANGER);
    }
    match head.status {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Err("it shows no status: it is old, or has --no-status"),
        StatusCode::FORBIDDEN => return Err("it does not serve this host; see its --allow"),
        _ => return Err("it has no time for an answer; try again"),
    }
    let content = answer.get(length..).unwrap_or_default();
    let announced = framing::content_length(&head.fields).ok().flatten();
    if announced != Some(content.len() as u64) {
        return Err("its answer broke off; try again");
    }
    // Any user of a host can listen at a port: what ours never sends could do something to a terminal.
    let harmless = |text: &String| !text.contains(|c: char| c.is_control() && c != '\n');
    let text = String::from_utf8(content.to_vec()).ok();
    text.filter(harmless).ok_or(STRANGER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_answer_of_ours_is_shown() {
        let answer = |status: &str, server: &str, length: usize| {
            format!(
                "HTTP/1.1 {status}\r\nServer: {server}\r\nContent-Length: {length}\r\n\r\nall of it"
            )
        };
        let ours = "package-cache/1.0.0";
        assert_eq!(
            content(answer("200 OK", ours, 9).as_bytes()),
            Ok("all of it".into())
        );
        for (answer, word) in [
            (answer("200 OK", ours, 10), "broke off"),
            (answer("200 OK", "nginx", 9), "no package-cache"),
            (answer("404 Not Found", ours, 9), "--no-status"),
            (answer("403 Forbidden", ours, 9), "--allow"),
            (answer("503 Service Unavailable", ours, 9), "try again"),
            (
                answer("200 OK", ours, 9).replace("all of it", "\x1b[2J\nabcd"),
                "no package-cache",
            ),
            ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), "no package-cache"),
            (String::new(), "no package-cache"),
        ] {
            let why = content(answer.as_bytes()).unwrap_err();
            assert!(why.contains(word), "{answer}: {why}");
        }
    }
}
