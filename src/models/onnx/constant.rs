//! Tensors that are known before there is a picture, and their copies on the device.

use std::{cell::RefCell, collections::HashMap};

use half::{bf16, f16};
use prost::bytes::Bytes;

use super::{
    fault::{Fallible, elements, need, wrong},
    host::{Element, Numbers, pick, reach, strides},
    proto::{self, data_type},
};
use crate::tensor::{Device, Shape, Tensor};

/// A tensor that is known before there is a picture.
pub struct Constant {
    dims: Vec<usize>,
    element: Element,
    numbers: Numbers,
    /// Copies on the device, by the order of their axes. A plan knows a weight by its identity, so each is made once.
    uploads: RefCell<HashMap<Vec<usize>, Tensor>>,
}

impl Constant {
    /// Of as many numbers as the shape holds.
    pub fn new(dims: Vec<usize>, element: Element, numbers: Numbers) -> Self {
        debug_assert_eq!(dims.iter().product::<usize>(), numbers.len());
        Self {
            dims,
            element,
            numbers,
            uploads: RefCell::default(),
        }
    }

    /// Real numbers.
    pub(super) fn floats(dims: Vec<usize>, numbers: Vec<f32>) -> Self {
        Self::new(dims, Element::Float, Numbers::Float(numbers))
    }

    /// A list of whole numbers.
    pub(super) fn list(numbers: Vec<i64>) -> Self {
        Self::new(vec![numbers.len()], Element::Int, Numbers::Int(numbers))
    }

    /// The extent along each axis; a single number may have none.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// What its numbers mean.
    pub fn element(&self) -> Element {
        self.element
    }

    /// Its numbers, in row-major order.
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// The one number it holds, when it holds one.
    pub(super) fn single(&self) -> Option<f64> {
        match &self.numbers {
            Numbers::Float(numbers) if numbers.len() == 1 => Some(f64::from(numbers[0])),
            Numbers::Int(numbers) if numbers.len() == 1 => Some(numbers[0] as f64),
            _ => None,
        }
    }

    /// Its numbers as whole ones.
    pub(super) fn ints(&self) -> Fallible<&[i64]> {
        match &self.numbers {
            Numbers::Int(numbers) => Ok(numbers),
            Numbers::Float(_) => wrong("takes real numbers where whole ones are needed"),
        }
    }

    /// Its copy on the device: axis `i` of it is axis `order[i]` of this, with axes of extent 1 in front until there are
    /// as many as `order` names.
    pub(super) fn upload(&self, order: &[usize], device: &Device) -> Fallible<Tensor> {
        if let Some(tensor) = self.uploads.borrow().get(order) {
            return Ok(tensor.clone());
        }
        need(!self.numbers.is_empty(), || {
            format!("computes with a tensor {:?} of no elements", self.dims)
        })?;
        let dims = [&vec![1; order.len() - self.dims.len()], &self.dims[..]].concat();
        let steps = strides(&dims);
        let axes: Vec<_> = order
            .iter()
            .map(|&axis| reach(dims[axis], steps[axis]))
            .collect();
        let shape: Vec<usize> = order.iter().map(|&axis| dims[axis]).collect();
        let in_order = order.iter().copied().eq(0..order.len());
        let numbers = if in_order {
            self.numbers.floats()
        } else {
            pick(&self.numbers, &axes, 0.0)?.floats()
        };
        let tensor = device.constant(physical(shape), &numbers)?;
        self.uploads
            .borrow_mut()
            .insert(order.to_vec(), tensor.clone());
        Ok(tensor)
    }

    /// Reads a tensor of the file.
    pub(super) fn read(tensor: &proto::Tensor) -> Fallible<Self> {
        need(tensor.data_location != 1, || {
            "keeps its numbers in another file: save the network as one file, without external data"
                .to_owned()
        })?;
        let dims: Option<Vec<usize>> = tensor
            .dims
            .iter()
            .map(|&dim| usize::try_from(dim).ok())
            .collect();
        let Some(dims) = dims else {
            return wrong(format!("has the shape {:?}", tensor.dims));
        };
        let count = elements(&dims)?;
        let (element, numbers) = numbers(tensor)?;
        need(numbers.len() == count, || {
            format!(
                "has the shape {dims:?}, which is {count} numbers, and holds {}",
                numbers.len()
            )
        })?;
        Ok(Self::new(dims, element, numbers))
    }
}

/// A shape as tensors have it: a single number has one axis.
pub fn physical(dims: Vec<usize>) -> Shape {
    if dims.is_empty() {
        [1].into()
    } else {
        dims.into()
    }
}

fn numbers(tensor: &proto::Tensor) -> Fallible<(Element, Numbers)> {
    let raw = &tensor.raw_data;
    let int32 = || whole(tensor.int32_data.iter().map(|&x| i64::from(x)));
    let floats = |numbers| Ok((Element::Float, Numbers::Float(numbers)));
    let ints = |numbers| Ok((Element::Int, Numbers::Int(numbers)));
    // Narrow types stand in the raw bytes, or each in a wide integer.
    let packed = raw.is_empty();
    match tensor.data_type {
        data_type::FLOAT if packed => floats(tensor.float_data.clone()),
        data_type::FLOAT => floats(words(raw, f32::from_le_bytes)?),
        data_type::DOUBLE if packed => {
            floats(tensor.double_data.iter().map(|&x| x as f32).collect())
        }
        data_type::DOUBLE => floats(words(raw, |bytes| f64::from_le_bytes(bytes) as f32)?),
        data_type::FLOAT16 if packed => floats(bits(tensor, |bits| f16::from_bits(bits).into())),
        data_type::FLOAT16 => floats(words(raw, |bytes| f16::from_le_bytes(bytes).into())?),
        data_type::BFLOAT16 if packed => floats(bits(tensor, |bits| bf16::from_bits(bits).into())),
        data_type::BFLOAT16 => floats(words(raw, |bytes| bf16::from_le_bytes(bytes).into())?),
        data_type::INT64 if packed => ints(tensor.int64_data.clone()),
        data_type::INT64 => ints(words(raw, i64::from_le_bytes)?),
        data_type::UINT64 | data_type::UINT32 if packed => {
            ints(whole(tensor.uint64_data.iter().map(|&x| x as i64)))
        }
        data_type::UINT64 => ints(words(raw, |bytes| u64::from_le_bytes(bytes) as i64)?),
        data_type::UINT32 => ints(words(raw, |bytes| u32::from_le_bytes(bytes).into())?),
        data_type::BOOL if packed => Ok((Element::Bool, Numbers::Int(int32()))),
        data_type::BOOL => {
            let truths = raw.iter().map(|&byte| i64::from(byte != 0));
            Ok((Element::Bool, Numbers::Int(truths.collect())))
        }
        data_type::INT32
        | data_type::INT16
        | data_type::INT8
        | data_type::UINT16
        | data_type::UINT8
            if packed =>
        {
            ints(int32())
        }
        data_type::INT32 => ints(words(raw, |bytes| i32::from_le_bytes(bytes).into())?),
        data_type::INT16 => ints(words(raw, |bytes| i16::from_le_bytes(bytes).into())?),
        data_type::UINT16 => ints(words(raw, |bytes| u16::from_le_bytes(bytes).into())?),
        data_type::INT8 => ints(words(raw, |bytes| i8::from_le_bytes(bytes).into())?),
        data_type::UINT8 => ints(words(raw, |bytes| u8::from_le_bytes(bytes).into())?),
        data_type::STRING => wrong("holds text"),
        other => wrong(format!(
            "holds numbers of ONNX's type {other}, which nothing here computes with"
        )),
    }
}

fn whole(numbers: impl Iterator<Item = i64>) -> Vec<i64> {
    numbers.collect()
}

/// Half floats that stand in the lower bits of wide integers.
fn bits(tensor: &proto::Tensor, from: impl Fn(u16) -> f32) -> Vec<f32> {
    tensor
        .int32_data
        .iter()
        .map(|&bits| from(bits as u16))
        .collect()
}

/// Numbers that lie end to end.
fn words<const WIDTH: usize, T>(raw: &Bytes, from: impl Fn([u8; WIDTH]) -> T) -> Fallible<Vec<T>> {
    let (words, rest) = raw.as_chunks::<WIDTH>();
    need(rest.is_empty(), || {
        format!("holds {} bytes of numbers of {WIDTH} bytes each", raw.len())
    })?;
    Ok(words.iter().map(|&word| from(word)).collect())
}
