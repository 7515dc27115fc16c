//! A connection: requests in, answers out, until one side has had enough.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use super::{answer, site::Site};

/// A head longer than this is no browser's.
const HEAD_LIMIT_BYTES: u64 = 16 << 10;
const FIELDS: usize = 64;
/// How long an idle connection is kept, and a slow one waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a browser asks for.
pub struct Request {
    /// `GET`, `HEAD` or what else.
    pub method: String,
    /// Path and query, still encoded.
    pub address: String,
    fields: Vec<(String, String)>,
    closes: bool,
}

impl Request {
    /// A field of the head by its name in lower case; empty when it is not there.
    pub fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value)
    }
}

/// Answers a connection's requests.
///
/// # Errors
/// When the other side goes away in the middle.
pub fn exchange(stream: TcpStream, site: &Site) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let request = match read(&mut reader)? {
            Heard::Request(request) => request,
            Heard::End => return Ok(()),
            Heard::Nonsense => {
                return writer.write_all(
                    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                );
            }
        };
        answer::answer(&request, site, &mut writer)?;
        if request.closes {
            return Ok(());
        }
    }
}

enum Heard {
    Request(Request),
    End,
    Nonsense,
}

/// Reads a head up to its empty line.
fn read(reader: &mut impl BufRead) -> io::Result<Heard> {
    let mut head = Vec::new();
    let mut limited = reader.take(HEAD_LIMIT_BYTES);
    loop {
        let before = head.len();
        limited.read_until(b'\n', &mut head)?;
        match &head[before..] {
            [] if before == 0 => return Ok(Heard::End),
            // Cut off, or longer than allowed.
            [] => return Ok(Heard::Nonsense),
            b"\r\n" | b"\n" if before > 0 => break,
            _ => {}
        }
    }
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    if !matches!(parsed.parse(&head), Ok(httparse::Status::Complete(_))) {
        return Ok(Heard::Nonsense);
    }
    let (Some(method), Some(address)) = (parsed.method, parsed.path) else {
        return Ok(Heard::Nonsense);
    };
    let fields: Vec<_> = parsed
        .headers
        .iter()
        .map(|field| {
            let value = String::from_utf8_lossy(field.value).trim().to_owned();
            (field.name.to_ascii_lowercase(), value)
        })
        .collect();
    let mut request = Request {
        method: method.to_owned(),
        address: address.to_owned(),
        fields,
        closes: false,
    };
    // A body would be read as the next request: nothing here takes one, so the connection ends behind it.
    let has_body = !matches!(request.field("content-length"), "" | "0")
        || !request.field("transfer-encoding").is_empty();
    let asked_to = request.field("connection").eq_ignore_ascii_case("close");
    request.closes = has_body || asked_to || parsed.version == Some(0);
    Ok(Heard::Request(request))
}
