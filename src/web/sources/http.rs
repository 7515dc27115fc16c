//! Files at an address, by ranges.

use std::{cell::Cell, ops::Range};

use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{AbortSignal, Blob, ReadableStreamDefaultReader, Request, RequestInit, Response};

use crate::{
    error::{Error, Result},
    web::browser::{kind, property, sleep, thrown, wait},
    weights::{WeightSource, source::Reading},
};

/// How often a request is made anew when the connection fails.
const ATTEMPTS: u32 = 4;

/// Milliseconds before the second attempt; doubled before each further one.
const PAUSE_MILLIS: i32 = 250;

/// What to do about a server that knows no ranges, where nothing is stored.
const NO_PARTS: &str =
    "its server sends no parts of it: download it in the browser, and add the file";

/// A server's answer, and what it says of the whole file.
pub struct Answer {
    /// The answer, whose body has not been read.
    pub response: Response,
    /// Whether it is the range that was asked for, not the whole file.
    pub is_part: bool,
    /// Bytes of the whole file, where the server says.
    pub total_bytes: Option<u64>,
    /// What the server calls this version of the file.
    pub tag: Option<String>,
}

/// The error of an address.
pub fn failed(url: &str, problem: impl Into<String>) -> Error {
    Error::Weights {
        place: url.to_owned(),
        problem: problem.into(),
    }
}

/// Asks for a file from a byte on, or for a range of it.
///
/// # Errors
/// [`Error::Interrupted`] when the signal is given, [`Error::Read`] when there is no connection, and
/// [`Error::Weights`] when the server refuses.
pub async fn get(
    url: &str,
    start: u64,
    end: Option<u64>,
    signal: Option<&AbortSignal>,
) -> Result<Answer> {
    let options = RequestInit::new();
    options.set_signal(signal);
    let request = Request::new_with_str_and_init(url, &options)
        .map_err(|_| failed(url, "this is no address: it begins with https://"))?;
    if start > 0 || end.is_some() {
        // The end of an HTTP range is the last byte's number.
        let last = end.map_or_else(String::new, |end| (end - 1).to_string());
        let range = format!("bytes={start}-{last}");
        request
            .headers()
            .set("Range", &range)
            .map_err(|error| no_answer(url, &error))?;
    }
    let fetch = property(&js_sys::global(), "fetch");
    let Some(Ok(fetch)) = fetch.map(JsCast::dyn_into::<js_sys::Function>) else {
        return Err(failed(url, "nothing can be fetched here"));
    };
    let answer = fetch.call1(&JsValue::UNDEFINED, &request);
    let answer = answer.map_err(|error| no_answer(url, &error))?;
    let answer = wait(answer.unchecked_into()).await;
    let response: Response = answer
        .map_err(|error| no_answer(url, &error))?
        .unchecked_into();
    let header = |name: &str| response.headers().get(name).ok().flatten();
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let length = header("Content-Length").and_then(|text| number(&text));
    let is_part = response.status() == 206;
    let total_bytes = if is_part {
        // Other sites' servers may keep this header to themselves; then an open end tells as much.
        let said = header("Content-Range").and_then(|text| number(text.rsplit('/').next()?));
        said.or_else(|| length.filter(|_| end.is_none()).map(|left| start + left))
    } else {
        // What is packed on the way is longer than it says.
        length.filter(|_| header("Content-Encoding").is_none())
    };
    if !response.ok() {
        return Err(refused(url, response.status()));
    }
    Ok(Answer {
        is_part,
        total_bytes,
        tag: header("ETag"),
        response,
    })
}

/// Fetches a whole file; `came` hears how many bytes have come each time.
///
/// # Errors
/// [`Error::Interrupted`] when `stop` is set meanwhile, and what [`get`] and [`stream`] fail with.
pub async fn whole(url: &str, stop: &Cell<bool>, came: &mut dyn FnMut(u64)) -> Result<Blob> {
    let answer = get(url, 0, None, None).await?;
    let chunks = Array::new();
    stream(url, &answer.response, &mut |chunk| {
        if stop.get() {
            return Err(Error::Interrupted);
        }
        chunks.push(chunk);
        came(u64::from(chunk.length()));
        Ok(())
    })
    .await?;
    Blob::new_with_u8_array_sequence(&chunks).map_err(|error| Error::Read {
        place: url.to_owned(),
        source: thrown(&error),
    })
}

/// Hands over the body of an answer as it comes.
///
/// # Errors
/// [`Error::Read`] when it breaks off, and what `take` fails with.
pub async fn stream(
    url: &str,
    response: &Response,
    take: &mut dyn FnMut(&Uint8Array) -> Result<()>,
) -> Result<()> {
    let Some(body) = response.body() else {
        return Ok(());
    };
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    loop {
        let piece = wait(reader.read()).await;
        let piece = piece.map_err(|error| no_answer(url, &error))?;
        let Some(chunk) = property(&piece, "value") else {
            return Ok(());
        };
        if let Err(error) = take(chunk.unchecked_ref()) {
            // Nobody wants the rest; that it cannot be called off changes nothing.
            let _ = wait(reader.cancel()).await;
            return Err(error);
        }
    }
}

fn refused(url: &str, status: u16) -> Error {
    let problem = match status {
        401 | 403 => {
            "the server wants a log-in for it: download it in the browser, and add the file"
        }
        404 | 410 => "there is no such file: look at the address again",
        416 => {
            "the file has changed since it was begun: remove what is there of it, and add it again"
        }
        _ => {
            return failed(
                url,
                format!("the server refuses it (status {status}): try again later"),
            );
        }
    };
    failed(url, problem)
}

/// What a browser says when there is no answer: it does not tell a dead connection from a server that forbids other
/// sites to read.
fn no_answer(url: &str, error: &JsValue) -> Error {
    if kind(error) == "AbortError" {
        return Error::Interrupted;
    }
    Error::Read {
        place: format!(
            "{url} (the connection failed, or its server lets no other page read it: then download it and add the file)"
        ),
        source: thrown(error),
    }
}

/// What a server tells of a file before it sends it.
pub struct Probe {
    /// Whether it sends parts.
    pub has_parts: bool,
    /// Bytes of the file, where it says.
    pub total_bytes: Option<u64>,
    /// What it calls this version of the file.
    pub tag: Option<String>,
}

/// Asks what a server tells of a file.
///
/// # Errors
/// When it refuses, or there is no connection.
pub async fn probe(url: &str) -> Result<Probe> {
    let first = attempt(url, 0, Some(1)).await?;
    let mut probe = Probe {
        has_parts: first.is_part,
        total_bytes: first.total_bytes,
        tag: first.tag,
    };
    call_off(&first.response).await;
    if probe.has_parts && probe.total_bytes.is_none() {
        // A server that hides the whole size from other sites tells it of an open range.
        let rest = attempt(url, 1, None).await?;
        probe.total_bytes = rest.total_bytes.filter(|_| rest.is_part);
        call_off(&rest.response).await;
    }
    Ok(probe)
}

/// Does without the rest of an answer.
async fn call_off(response: &Response) {
    if let Some(body) = response.body() {
        let _ = wait(body.cancel()).await;
    }
}

/// A file at an address, read by ranges and not stored.
pub struct HttpFile {
    url: String,
    size_bytes: Cell<Option<u64>>,
}

impl HttpFile {
    /// Names an address.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            size_bytes: Cell::new(None),
        }
    }

    async fn size(&self) -> Result<u64> {
        if let Some(size) = self.size_bytes.get() {
            return Ok(size);
        }
        let probe = probe(&self.url).await?;
        let size = probe.total_bytes.filter(|_| probe.has_parts);
        let size = size.ok_or_else(|| failed(&self.url, NO_PARTS))?;
        self.size_bytes.set(Some(size));
        Ok(size)
    }

    async fn read_range(&self, bytes: Range<u64>) -> Result<Vec<u8>> {
        let expected = bytes.end - bytes.start;
        let mut pause = PAUSE_MILLIS;
        for attempts in 1.. {
            let read = self.read_once(&bytes).await;
            match read {
                Ok(read) if read.len() as u64 == expected => return Ok(read),
                Err(error @ (Error::Interrupted | Error::Weights { .. })) => return Err(error),
                Err(error) if attempts == ATTEMPTS => return Err(error),
                Ok(_) if attempts == ATTEMPTS => {
                    return Err(failed(
                        &self.url,
                        "it breaks off again and again: try again later",
                    ));
                }
                _ => {
                    sleep(pause).await;
                    pause *= 2;
                }
            }
        }
        unreachable!("the last attempt returns")
    }

    async fn read_once(&self, bytes: &Range<u64>) -> Result<Vec<u8>> {
        let answer = get(&self.url, bytes.start, Some(bytes.end), None).await?;
        // All of it is as good where all of it was asked for.
        let is_whole = bytes.start == 0 && answer.total_bytes == Some(bytes.end);
        if !answer.is_part && !is_whole {
            return Err(failed(&self.url, NO_PARTS));
        }
        let body = answer.response.array_buffer();
        let body = body.map_err(|error| no_answer(&self.url, &error))?;
        let body = wait(body)
            .await
            .map_err(|error| no_answer(&self.url, &error))?;
        Ok(Uint8Array::new(&body).to_vec())
    }
}

/// Asks, and asks again while there is no connection.
async fn attempt(url: &str, start: u64, end: Option<u64>) -> Result<Answer> {
    let mut pause = PAUSE_MILLIS;
    for attempts in 1.. {
        match get(url, start, end, None).await {
            Err(Error::Read { .. }) if attempts < ATTEMPTS => {
                sleep(pause).await;
                pause *= 2;
            }
            other => return other,
        }
    }
    unreachable!("the last attempt returns")
}

impl WeightSource for HttpFile {
    fn place(&self) -> &str {
        &self.url
    }

    fn size_bytes(&self) -> Reading<'_, u64> {
        Box::pin(self.size())
    }

    fn read(&self, bytes: Range<u64>) -> Reading<'_, Vec<u8>> {
        Box::pin(self.read_range(bytes))
    }
}
