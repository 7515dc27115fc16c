//! Answers: which file, which part of it, and under which headers.

use std::{
    fmt::Write as _,
    io::{self, Read, Write},
    ops::Range,
};

use super::{
    exchange::Request,
    site::{File, PACKINGS, Site},
};

/// What the page may load and do. `index.html` says the same for hosts that send no headers, but for the last part, which counts only
/// in a header.
pub const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; \
     connect-src 'self' https: http://127.0.0.1:* http://localhost:*; worker-src 'self'; manifest-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// Headers of every answer. The page uses no shared memory, so it needs no cross-origin isolation; the opener policy only keeps other windows'
/// hands off it.
const ALWAYS: [(&str, &str); 5] = [
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
];

/// Names this machine has for itself.
const OURSELVES: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Answers one request.
///
/// # Errors
/// When the other side goes away in the middle.
pub fn answer(request: &Request, site: &Site, to: &mut impl Write) -> io::Result<()> {
    let head_only = request.method == "HEAD";
    if !is_ourselves(request.field("host")) {
        let text = "This page is served to this machine alone, as http://127.0.0.1.\n";
        return text_answer(to, "421 Misdirected Request", text, &[], head_only);
    }
    if request.method != "GET" && !head_only {
        let text = "This server only gives files.\n";
        return text_answer(
            to,
            "405 Method Not Allowed",
            text,
            &[("Allow", "GET, HEAD")],
            false,
        );
    }
    match site.find(&request.address) {
        Some(file) => file_answer(request, file, site, head_only, to),
        None => text_answer(
            to,
            "404 Not Found",
            "There is no such file.\n",
            &[],
            head_only,
        ),
    }
}

/// Whether a `Host` field means this machine. A name that someone else made to point here does not.
fn is_ourselves(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    OURSELVES.iter().any(|own| own.eq_ignore_ascii_case(name))
}

fn file_answer(
    request: &Request,
    mut file: File,
    site: &Site,
    head_only: bool,
    to: &mut impl Write,
) -> io::Result<()> {
    let mut fields = vec![
        ("Content-Type", kind(&file.path).to_owned()),
        ("Cache-Control", freshness(&file.path).to_owned()),
        ("Accept-Ranges", "bytes".to_owned()),
    ];
    let forms: Vec<_> = PACKINGS
        .iter()
        .filter_map(|&(name, ending)| Some((name, site.packed(&file, ending)?)))
        .collect();
    if !forms.is_empty() {
        fields.push(("Vary", "Accept-Encoding".to_owned()));
    }
    // A part is always one of the file itself.
    if request.field("range").is_empty() {
        let accepted = request.field("accept-encoding");
        let taken = forms.into_iter().find(|(name, _)| takes(accepted, name));
        if let Some((name, packed)) = taken {
            fields.push(("Content-Encoding", name.to_owned()));
            file = packed;
        }
    }
    fields.push(("ETag", file.tag.clone()));
    let known = request.field("if-none-match");
    if known.split(',').any(|tag| tag.trim() == file.tag) {
        return head(to, "304 Not Modified", &fields);
    }
    let size = file.size_bytes;
    // A part of another version would not fit to what the browser has.
    let same = matches!(request.field("if-range"), "") || request.field("if-range") == file.tag;
    let (status, part) = match range(request.field("range"), size) {
        Some(Ok(part)) if same => {
            let said = format!("bytes {}-{}/{size}", part.start, part.end - 1);
            fields.push(("Content-Range", said));
            ("206 Partial Content", part)
        }
        Some(Err(())) if same => {
            fields.push(("Content-Range", format!("bytes */{size}")));
            fields.push(("Content-Length", "0".to_owned()));
            return head(to, "416 Range Not Satisfiable", &fields);
        }
        _ => ("200 OK", 0..size),
    };
    let length = part.end - part.start;
    fields.push(("Content-Length", length.to_string()));
    head(to, status, &fields)?;
    if head_only {
        return Ok(());
    }
    let sent = io::copy(&mut file.read_from(part.start)?.take(length), to)?;
    if sent < length {
        // The length is said already: only an end of the connection tells the other side.
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn text_answer(
    to: &mut impl Write,
    status: &str,
    text: &str,
    more: &[(&'static str, &str)],
    head_only: bool,
) -> io::Result<()> {
    let mut fields = vec![
        ("Content-Type", "text/plain; charset=utf-8".to_owned()),
        ("Content-Length", text.len().to_string()),
        ("Cache-Control", "no-store".to_owned()),
    ];
    fields.extend(more.iter().map(|&(name, value)| (name, value.to_owned())));
    head(to, status, &fields)?;
    if head_only {
        return Ok(());
    }
    to.write_all(text.as_bytes())
}

fn head(to: &mut impl Write, status: &str, fields: &[(&str, String)]) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {status}\r\n");
    let always = ALWAYS.iter().map(|&(name, value)| (name, value));
    let own = fields.iter().map(|(name, value)| (*name, value.as_str()));
    for (name, value) in own.chain(always) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text.push_str("\r\n");
    to.write_all(text.as_bytes())
}

/// Whether an `Accept-Encoding` field takes a packing.
fn takes(field: &str, packing: &str) -> bool {
    field.split(',').any(|choice| {
        let (name, weight) = choice.split_once(';').unwrap_or((choice, ""));
        let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
        name.trim().eq_ignore_ascii_case(packing) && weight.parse() != Ok(0.0)
    })
}

/// The part that a `Range` field asks for: `None` for all of it (as it may be for what is not understood, several parts
/// included), an error when there is no such part.
fn range(field: &str, size: u64) -> Option<Result<Range<u64>, ()>> {
    let (first, last) = field.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        let count: u64 = last.parse().ok()?;
        let part = size.saturating_sub(count)..size;
        return Some(if part.is_empty() { Err(()) } else { Ok(part) });
    }
    let first: u64 = first.parse().ok()?;
    let last: u64 = match last {
        "" => u64::MAX,
        digits => digits.parse().ok()?,
    };
    if last < first {
        return None;
    }
    let end = last.saturating_add(1).min(size);
    Some(if first < end { Ok(first..end) } else { Err(()) })
}

/// The media type of a file, by its ending.
fn kind(path: &str) -> &'static str {
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// How long a browser may use a file without asking: for ever below `page-HASH/`, whose name changes with its content; the others are
/// asked for anew, which their tags make cheap.
fn freshness(path: &str) -> &'static str {
    let stamped = path
        .strip_prefix("page-")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(stamp, _)| stamp.len() >= 8 && stamp.bytes().all(|c| c.is_ascii_hexdigit()));
    if stamped {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_means_them() {
        let cases = [
            ("bytes=0-3", Some(Ok(0..4))),
            ("bytes=4-", Some(Ok(4..10))),
            ("bytes=-3", Some(Ok(7..10))),
            ("bytes=-99", Some(Ok(0..10))),
            ("bytes=8-99", Some(Ok(8..10))),
            ("bytes=10-", Some(Err(()))),
            ("bytes=-0", Some(Err(()))),
            ("", None),
            ("bytes=3-2", None),
            ("bytes=0-1,4-5", None),
            ("bytes=a-b", None),
            ("lines=0-1", None),
        ];
        for (field, expected) in cases {
            assert_eq!(range(field, 10), expected, "{field}");
        }
        assert_eq!(range("bytes=0-18446744073709551615", 10), Some(Ok(0..10)));
        assert_eq!(range("bytes=0-", 0), Some(Err(())));
    }

    #[test]
    fn what_is_packed_is_sent_to_those_who_take_it() {
        for field in ["gzip", "br, gzip", "deflate, GZIP;q=0.5, *"] {
            assert!(takes(field, "gzip"), "{field}");
        }
        for field in ["", "br", "gzip;q=0", "br, gzip; q=0.0", "x-gzip"] {
            assert!(!takes(field, "gzip"), "{field}");
        }
        assert!(takes("gzip, br", "br") && !takes("gzip, br;q=0", "br"));
    }

    #[test]
    fn only_this_machine_is_served() {
        for own in [
            "127.0.0.1",
            "127.0.0.1:5890",
            "localhost:1",
            "LOCALHOST",
            "[::1]:80",
        ] {
            assert!(is_ourselves(own), "{own}");
        }
        for other in [
            "",
            "example.org",
            "127.0.0.1.example.org:5890",
            "localhost.example.org",
            "192.168.0.2:5890",
        ] {
            assert!(!is_ourselves(other), "{other}");
        }
    }

    #[test]
    fn only_stamped_files_are_kept_for_ever() {
        assert!(freshness("page-0123abcd/main.js").contains("immutable"));
        for path in [
            "index.html",
            "sw.js",
            "page/main.js",
            "page-own/main.js",
            "models/mini/unet/config.json",
        ] {
            assert_eq!(freshness(path), "no-cache", "{path}");
        }
    }

    #[test]
    fn the_page_says_the_same_policy_as_the_header() {
        let page = include_str!("../../../www/index.html");
        let said = POLICY.strip_suffix("; frame-ancestors 'none'");
        let said = said.expect("the policy ends with what a page cannot say");
        assert!(page.contains(&format!("content=\"{said}\"")), "{said}");
    }
}
