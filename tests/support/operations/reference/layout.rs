//! Operations that move elements.

use guidestar::{engine::Shape, tensor::PadMode};

use super::super::Host;

pub fn reshape(x: &Host, shape: &Shape) -> Host {
    Host {
        shape: shape.clone(),
        data: x.data.clone(),
    }
}

pub fn permute(x: &Host, order: &[usize]) -> Host {
    let shape: Vec<_> = order.iter().map(|&axis| x.shape[axis]).collect();
    Host::build(shape, |index| {
        let mut source = vec![0; index.len()];
        for (&axis, &i) in order.iter().zip(index) {
            source[axis] = i;
        }
        x.at(&source)
    })
}

pub fn slice(x: &Host, starts: &[usize], steps: &[usize], shape: &Shape) -> Host {
    Host::build(shape.clone(), |index| {
        let source: Vec<_> = index
            .iter()
            .enumerate()
            .map(|(axis, i)| starts[axis] + i * steps[axis])
            .collect();
        x.at(&source)
    })
}

pub fn concat(inputs: &[Host], axis: usize) -> Host {
    let mut shape = inputs[0].shape.to_vec();
    shape[axis] = inputs.iter().map(|x| x.shape[axis]).sum();
    Host::build(shape, |index| {
        let mut index = index.to_vec();
        for x in inputs {
            if index[axis] < x.shape[axis] {
                return x.at(&index);
            }
            index[axis] -= x.shape[axis];
        }
        unreachable!("the extents add up")
    })
}

pub fn pad(x: &Host, before: &[usize], after: &[usize], mode: PadMode) -> Host {
    let shape: Vec<_> = (0..before.len())
        .map(|axis| before[axis] + x.shape[axis] + after[axis])
        .collect();
    Host::build(shape, |index| {
        let mut source = Vec::new();
        for (axis, &i) in index.iter().enumerate() {
            let i = i as isize - before[axis] as isize;
            let last = x.shape[axis] as isize - 1;
            let inside = match mode {
                PadMode::Zero if i < 0 || i > last => return 0.0,
                PadMode::Edge => i.clamp(0, last),
                PadMode::Reflect if i < 0 => -i,
                PadMode::Reflect if i > last => 2 * last - i,
                PadMode::Zero | PadMode::Reflect => i,
            };
            source.push(inside as usize);
        }
        x.at(&source)
    })
}

pub fn expand(x: &Host, shape: &Shape) -> Host {
    Host::build(shape.clone(), |index| x.repeated_at(index))
}

pub fn gather(table: &Host, rows: &[u32]) -> Host {
    Host::build([rows.len(), table.shape[1]], |index| {
        table.at(&[rows[index[0]] as usize, index[1]])
    })
}
