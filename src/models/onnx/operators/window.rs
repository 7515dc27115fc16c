//! The geometry of windows that move over a picture: convolutions' and pools'.

use super::super::{
    call::Call,
    fault::{Fallible, need, wrong},
    value::Value,
};

/// A window in two dimensions; a signal of one is a picture of height 1.
pub struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Rows above and below, columns left and right.
    pub pad: [[usize; 2]; 2],
    /// Height and width of what the window moves over.
    pub input: [usize; 2],
    /// Height and width of what it makes.
    pub output: [usize; 2],
}

/// A signal with an axis for its height, and whether it had none.
pub fn picture(x: &Value) -> Fallible<(Value, bool)> {
    match *x.dims() {
        [batch, channels, length] => Ok((x.reshape(&[batch, channels, 1, length])?, true)),
        [_, _, _, _] => Ok((x.clone(), false)),
        _ => wrong(format!(
            "moves a window over {:?}; there may be one or two axes behind batch and channels",
            x.dims()
        )),
    }
}

/// The picture as it was before [`picture`] gave it a height.
pub fn restored(y: Value, flat: bool) -> Fallible<Value> {
    if flat { y.squeeze(&[2]) } else { Ok(y) }
}

/// A setting for each spatial axis, with 1 for a height that was added.
pub fn pair(call: &Call, name: &str, flat: bool, default: usize) -> Fallible<[usize; 2]> {
    let Some(sizes) = call.sizes(name)? else {
        return Ok([default; 2]);
    };
    match (flat, &sizes[..]) {
        (true, &[size]) => Ok([default, size]),
        (false, &[tall, wide]) => Ok([tall, wide]),
        _ => wrong(format!("has {name} of {sizes:?}")),
    }
}

/// The borders that a node says, as [`Window::pad`] has them.
pub fn borders(call: &Call, flat: bool) -> Fallible<[[usize; 2]; 2]> {
    let Some(pads) = call.sizes("pads")? else {
        return Ok([[0; 2]; 2]);
    };
    match (flat, &pads[..]) {
        (true, &[left, right]) => Ok([[0, 0], [left, right]]),
        (false, &[top, left, bottom, right]) => Ok([[top, bottom], [left, right]]),
        _ => wrong(format!("has pads of {pads:?}")),
    }
}

impl Window {
    /// A node's window of this kernel.
    pub fn new(call: &Call, input: [usize; 2], kernel: [usize; 2], flat: bool) -> Fallible<Self> {
        let stride = pair(call, "strides", flat, 1)?;
        let dilation = pair(call, "dilations", flat, 1)?;
        let sizes = [kernel, stride, dilation];
        need(sizes.iter().flatten().all(|&size| size > 0), || {
            format!("has a window {kernel:?}, steps {stride:?} and dilations {dilation:?}")
        })?;
        let mut window = Self {
            kernel,
            stride,
            dilation,
            pad: borders(call, flat)?,
            input,
            output: [0; 2],
        };
        let upper = match call.word("auto_pad", "NOTSET")? {
            "NOTSET" | "" => None,
            "VALID" => {
                window.pad = [[0; 2]; 2];
                None
            }
            "SAME_UPPER" => Some(true),
            "SAME_LOWER" => Some(false),
            other => return wrong(format!("pads by {other:?}")),
        };
        for axis in 0..2 {
            if let Some(upper) = upper {
                let last = (input[axis].div_ceil(stride[axis]) - 1) * stride[axis];
                let more = (last + window.reach(axis)).saturating_sub(input[axis]);
                let [less, rest] = [more / 2, more - more / 2];
                window.pad[axis] = if upper { [less, rest] } else { [rest, less] };
            }
            let [size, reach] = [window.padded(axis), window.reach(axis)];
            need(size >= reach, || {
                format!("moves a window of {reach} over {size}")
            })?;
            window.output[axis] = (size - reach) / stride[axis] + 1;
        }
        Ok(window)
    }

    /// What the window spans.
    pub fn reach(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.kernel[axis] - 1) + 1
    }

    fn padded(&self, axis: usize) -> usize {
        self.input[axis] + self.pad[axis][0] + self.pad[axis][1]
    }

    /// Lets the last window reach past the border, by as much as this returns for each axis. One that would begin past
    /// the picture is left out.
    pub fn round_up(&mut self) -> [usize; 2] {
        [0, 1].map(|axis| {
            let over = self.padded(axis) - self.reach(axis);
            let mut steps = over.div_ceil(self.stride[axis]);
            if steps * self.stride[axis] >= self.input[axis] + self.pad[axis][0] {
                steps -= 1;
            }
            self.output[axis] = steps + 1;
            (steps * self.stride[axis]).saturating_sub(over)
        })
    }

    /// As tensors have it: top, bottom, left, right.
    pub fn border(&self) -> [usize; 4] {
        let [[top, bottom], [left, right]] = self.pad;
        [top, bottom, left, right]
    }
}
