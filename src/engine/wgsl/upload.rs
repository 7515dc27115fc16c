//! Constants, written piece by piece.

use std::rc::Rc;

use super::{
    Wgsl,
    buffers::{Buffer, Use},
    elements,
    graph::{Content, Node},
    plan::{stored_bytes, too_large},
};
use crate::{
    engine::{Shape, Upload, Value},
    error::{Error, Result},
};

/// Bytes that are collected before they are handed to the device.
const PIECE_BYTES: usize = 4 << 20;

/// Bytes after which the device is given time to take them, so that they do not pile up on the host.
const WAVE_BYTES: u64 = 64 << 20;

/// A constant that is being written.
pub struct Piecewise {
    engine: Rc<Wgsl>,
    shape: Shape,
    /// None when planning without a device: then nothing is written.
    buffer: Option<Buffer>,
    /// The beginning of a row that has not come whole.
    row: Vec<f32>,
    /// Encoded and not yet handed over.
    bytes: Vec<u8>,
    /// Where the next byte goes.
    at: u64,
    elements: usize,
    /// Bytes handed over since the device was last waited for.
    wave: u64,
}

impl Piecewise {
    /// Starts a constant.
    pub fn new(engine: Rc<Wgsl>, shape: &Shape) -> Result<Self> {
        let bytes = stored_bytes(shape, &engine.limits);
        if bytes > engine.limits.buffer_bytes {
            return Err(too_large("a weight", bytes, engine.limits.buffer_bytes));
        }
        let buffer = match &engine.gpu {
            Some(gpu) => {
                engine.make_room("a weight", bytes, || bytes)?;
                let buffer = Buffer::new(gpu, bytes, Use::Storage);
                gpu.check()?;
                Some(buffer)
            }
            None => None,
        };
        Ok(Self {
            engine,
            shape: shape.clone(),
            buffer,
            row: Vec::new(),
            bytes: Vec::new(),
            at: 0,
            elements: 0,
            wave: 0,
        })
    }

    fn encode(&mut self, rows: &[f32]) -> Result<()> {
        let columns = self.shape.last();
        let piece = (PIECE_BYTES / 4 / columns).max(1) * columns;
        for rows in rows.chunks(piece) {
            elements::encode(self.engine.limits.storage, columns, rows, &mut self.bytes);
            if self.bytes.len() >= PIECE_BYTES {
                self.hand_over()?;
            }
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<()> {
        if let (Some(gpu), Some(buffer)) = (&self.engine.gpu, &self.buffer) {
            gpu.queue.write_buffer(buffer.raw(), self.at, &self.bytes);
            self.at += self.bytes.len() as u64;
            self.wave += self.bytes.len() as u64;
            if self.wave >= WAVE_BYTES {
                gpu.submit(gpu.encoder());
                gpu.settle()?;
                self.wave = 0;
            }
        }
        self.bytes.clear();
        Ok(())
    }

    fn wrong_length(&self, found: usize) -> Error {
        Error::Weights {
            place: "a tensor".to_owned(),
            problem: format!(
                "{found} elements came where {:?} was to be filled",
                self.shape
            ),
        }
    }
}

impl Upload for Piecewise {
    fn write(&mut self, mut elements: &[f32]) -> Result<()> {
        self.elements += elements.len();
        if self.elements > self.shape.elements() {
            return Err(self.wrong_length(self.elements));
        }
        if self.buffer.is_none() {
            return Ok(());
        }
        let columns = self.shape.last();
        if !self.row.is_empty() {
            let missing = (columns - self.row.len()).min(elements.len());
            self.row.extend_from_slice(&elements[..missing]);
            elements = &elements[missing..];
            if self.row.len() < columns {
                return Ok(());
            }
            let row = std::mem::take(&mut self.row);
            self.encode(&row)?;
        }
        let whole = elements.len() / columns * columns;
        self.encode(&elements[..whole])?;
        self.row.extend_from_slice(&elements[whole..]);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Value> {
        if self.buffer.is_some() && self.elements != self.shape.elements() {
            return Err(self.wrong_length(self.elements));
        }
        self.hand_over()?;
        let buffer = self.buffer.take().map(Rc::new);
        let constant = self.engine.constant(buffer);
        Ok(Node::new(&self.shape, Content::Constant(constant)))
    }
}
