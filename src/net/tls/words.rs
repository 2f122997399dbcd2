//! Words: what `openssl s_client` says on its standard error, and what it means.
//!
//! Rules: the cause is one short text without paths. It is that of the certificate, if that is the matter; else what
//! the system said; else what the library said; else the first line that says anything else.

use std::io::{self, ErrorKind};

/// Whether certificates were proved, and none refused.
pub fn is_proof(said: &[u8]) -> bool {
    let text = String::from_utf8_lossy(said);
    text.contains("verify return:1") && !text.contains("verify error:")
}

/// Why the helper ended, if it said so. A connection that the source reset, or closed without TLS's own end, is
/// `ConnectionReset`; what the system said has the system's kind.
pub fn cause(said: &[u8]) -> Option<io::Error> {
    let text = String::from_utf8_lossy(said);
    let find = |of: fn(&str) -> Option<io::Error>| text.lines().find_map(of);
    let cause = find(certificate).or_else(|| find(system));
    cause.or_else(|| find(library)).or_else(|| {
        let mut lines = text.lines().map(str::trim);
        // What has a slash in it tells of files of this host, and is no reason.
        lines.find(|line| !is_chatter(line)).map(io::Error::other)
    })
}

/// `verify error:num=62:hostname mismatch`
fn certificate(line: &str) -> Option<io::Error> {
    let error = line.strip_prefix("verify error:num=")?;
    let (_, why) = error.split_once(':')?;
    Some(io::Error::other(format!("certificate refused: {why}")))
}

/// `connect:errno=111`. 0 is an end of the stream within TLS.
fn system(line: &str) -> Option<io::Error> {
    let (_, number) = line.split_once(":errno=")?;
    match number.trim().parse().ok()? {
        0 => Some(closed()),
        number => Some(io::Error::from_raw_os_error(number)),
    }
}

/// `40B7:error:0A000086:SSL routines:tls_post_process:certificate verify failed:statem.c:1889:` and, before OpenSSL 3,
/// the same with other numbers.
fn library(line: &str) -> Option<io::Error> {
    let (_, error) = line.split_once(":error:")?;
    let why = error.split(':').nth(3).filter(|why| !why.is_empty())?;
    Some(match why.starts_with("unexpected eof") {
        true => closed(),
        false => io::Error::other(format!("TLS: {why}")),
    })
}

fn closed() -> io::Error {
    io::Error::new(ErrorKind::ConnectionReset, "closed without the end of TLS")
}

fn is_chatter(line: &str) -> bool {
    let usual = ["depth=", "verify ", "DONE", "Connecting ", "Can't use "];
    line.is_empty() || line.contains('/') || usual.iter().any(|usual| line.starts_with(usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_one_of_many_lines() {
        let reset = ErrorKind::ConnectionReset;
        for (said, kind, cause) in [
            (
                "depth=0 CN = localhost\nverify error:num=10:certificate has expired\nnotAfter=Jan  1 00:00:00 2020 GMT\n\
                 80BBF2F4477F0000:error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed:../ssl/statem/statem_clnt.c:1889:\n",
                ErrorKind::Other,
                "certificate refused: certificate has expired",
            ),
            (
                "depth=1 CN = ca\nverify return:1\ndepth=0 CN = localhost\nverify error:num=62:hostname mismatch\n",
                ErrorKind::Other,
                "certificate refused: hostname mismatch",
            ),
            (
                "801B3D2BCA7F0000:error:8000006F:system library:BIO_connect:Connection refused:../crypto/bio/bio_sock2.c:117:calling connect()\n\
                 801B3D2BCA7F0000:error:10000067:BIO routines:BIO_connect:connect error:../crypto/bio/bio_sock2.c:119:\nconnect:errno=111\n",
                ErrorKind::ConnectionRefused,
                "Connection refused (os error 111)",
            ),
            (
                "read:errno=104\n",
                reset,
                "Connection reset by peer (os error 104)",
            ),
            (
                "depth=0 CN = a\nverify return:1\nread:errno=0\n",
                reset,
                "closed without the end of TLS",
            ),
            (
                "verify return:1\n80:error:0A000126:SSL routines:ssl3_read_n:unexpected eof while reading:../ssl/record/rec_layer_s3.c:308:\n",
                reset,
                "closed without the end of TLS",
            ),
            (
                "140:error:1408F10B:SSL routines:ssl3_get_record:wrong version number:../ssl/record/ssl3_record.c:331:\n",
                ErrorKind::Other,
                "TLS: wrong version number",
            ),
            (
                "Can't open config file: /etc/ssl/openssl.cnf\ns_client: HTTP CONNECT failed: 403 Forbidden\n\n",
                ErrorKind::Other,
                "s_client: HTTP CONNECT failed: 403 Forbidden",
            ),
            (
                "s_client: Unknown option: -nocommands\ns_client: Use -help for summary.\n",
                ErrorKind::Other,
                "s_client: Unknown option: -nocommands",
            ),
            ("killed\u{1b}[2J", ErrorKind::Other, "killed\u{1b}[2J"),
        ] {
            assert!(!said.contains("verify error") || !is_proof(said.as_bytes()));
            let found = super::cause(said.as_bytes()).unwrap();
            assert_eq!(
                (found.kind(), found.to_string().as_str()),
                (kind, cause),
                "{said}"
            );
        }
    }

    #[test]
    fn chatter_is_no_cause() {
        for said in [
            "",
            "DONE\n",
            "depth=1 CN = ca\nverify return:1\ndepth=0 CN = a\nverify return:1\nDONE\n",
            "Connecting to 127.0.0.1\nWARNING: /etc/x\nCan't use SSL_get_servername\n",
        ] {
            assert!(cause(said.as_bytes()).is_none(), "{said}");
        }
        assert!(cause(b"\xff\xfe:errno=x\n").is_some());
    }
}
