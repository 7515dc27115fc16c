//! Matrix products.

use std::ops::Range;

use super::{
    after::{Chain, base, has_geglu},
    attention::head_quads,
    launch::{Launcher, flag},
    shader::{matmul, matmul_tiled},
    tile::{self, THREADS},
};
use crate::engine::{
    Shape,
    op::Op,
    wgsl::step::{Step, quads, row_quads},
};

/// Whether a matrix product takes what was fused into it.
pub fn supports(step: &Step) -> bool {
    let Op::Matmul { transposed, .. } = step.op else {
        return false;
    };
    let rank = step.operands[1 + usize::from(step.joined)].rank();
    let halves = !has_geglu(step) || step.output.last().is_multiple_of(4);
    let joins =
        !step.joined || (rank == 2 && !transposed && step.operands[0].last().is_multiple_of(4));
    halves && joins && !step.enlarged
}

/// A product as the kernel sees it: a batch of matrices in two levels, strides in quads.
struct Product {
    /// Batches of the outer and the inner level.
    batches: [usize; 2],
    rows: usize,
    inner: usize,
    columns: usize,
    x_row: usize,
    w_row: usize,
    out_row: usize,
    x_strides: [usize; 2],
    w_strides: [usize; 2],
    out_strides: [usize; 2],
    transposed: bool,
    bias: bool,
}

impl Product {
    fn of(step: &Step) -> Self {
        let [x, w] = [
            &step.operands[0],
            &step.operands[1 + usize::from(step.joined)],
        ];
        let [x_row, w_row, out_row] = [x, w, &step.output].map(row_quads);
        if step.op == Op::AttentionApply {
            // Heads lie side by side in a row of values and of the result.
            let [batch, heads, queries, keys] = [x[0], x[1], x[2], x[3]];
            let columns = w.last() / heads;
            let head_quads = head_quads(w.last(), heads);
            return Self {
                batches: [batch, heads],
                rows: queries,
                inner: keys,
                columns,
                x_row,
                w_row,
                out_row,
                x_strides: [heads * queries * x_row, queries * x_row],
                w_strides: [keys * w_row, head_quads],
                out_strides: [queries * out_row, head_quads],
                transposed: false,
                bias: false,
            };
        }
        let Op::Matmul { transposed, bias } = step.op else {
            unreachable!("{:?} is not a product", step.op);
        };
        let rank = w.rank();
        let [inner, columns] = if transposed {
            [w.last(), w[rank - 2]]
        } else {
            [w[rank - 2], w.last()]
        };
        // One matrix for all rows makes them one batch.
        let [batches, rows] = if rank > 2 {
            [x[..rank - 2].iter().product(), x[rank - 2]]
        } else {
            [1, x.rows()]
        };
        Self {
            batches: [batches, 1],
            rows,
            inner,
            columns,
            x_row,
            w_row,
            out_row,
            x_strides: [rows * x_row, 0],
            w_strides: [w[rank - 2] * w_row, 0],
            out_strides: [rows * out_row, 0],
            transposed,
            bias,
        }
    }
}

/// Lowers `Matmul` and `AttentionApply`.
pub fn lower(launcher: &mut Launcher) {
    let step = launcher.step;
    let product = Product::of(step);
    let [outer, inner] = product.batches;
    let mut tensors = step.operands.iter().chain([&step.output]);
    let whole = tensors.all(|shape| launcher.fits(shape));
    // What does not fit in a binding is cut: batch by batch, and a batch in bands of rows.
    let (batches, band) = if whole {
        (outer, product.rows)
    } else if inner == 1 {
        let width = product.x_row.max(product.out_row);
        (1, (launcher.binding_quads() / width).clamp(1, product.rows))
    } else {
        (1, product.rows)
    };
    for batch in (0..outer).step_by(batches) {
        for first in (0..product.rows).step_by(band) {
            let rows = first..product.rows.min(first + band);
            launch(launcher, &product, batch..batch + batches, rows);
        }
    }
}

/// The quads of a tensor that some rows of some outer batches span.
fn span(
    shape: &Shape,
    row: usize,
    stride: usize,
    batches: &Range<usize>,
    rows: &Range<usize>,
) -> Range<usize> {
    let whole_batches = batches.len() > 1 || row == 0;
    let start = batches.start * stride + rows.start * row;
    let end = if whole_batches {
        batches.end * stride
    } else {
        batches.start * stride + rows.end * row
    };
    start..end.max(start + 1).min(quads(shape))
}

fn launch(launcher: &mut Launcher, product: &Product, batches: Range<usize>, rows: Range<usize>) {
    let step = launcher.step;
    let chain = Chain::of(step);
    let weight = 1 + usize::from(step.joined);
    let part = |operand: usize, row: usize, stride: usize| {
        let shape = launcher.shape(operand);
        launcher.part(operand, span(shape, row, stride, &batches, &rows))
    };
    let x = part(0, product.x_row, product.x_strides[0]);
    let second_row = row_quads(launcher.shape(usize::from(step.joined)));
    let second = step.joined.then(|| part(1, second_row, 0));
    let w = if product.w_strides[0] == 0 || batches.len() == product.batches[0] {
        launcher.whole(weight)
    } else {
        part(weight, 0, product.w_strides[0])
    };
    let bias = product.bias.then(|| launcher.whole(weight + 1));
    let out_part = span(
        &step.output,
        product.out_row,
        product.out_strides[0],
        &batches,
        &rows,
    );
    let added = chain.added(launcher, out_part.clone());
    let per_row = chain.per_row(launcher);
    let out = launcher.out(out_part);

    let geglu = has_geglu(step);
    let out_quads = product.columns.div_ceil(4) / if geglu { 2 } else { 1 };
    // A thread's two quads of columns lie side by side in w, or half of w apart.
    let tile_quads = if geglu { THREADS } else { 2 * THREADS };
    let tile = tile::choose(launcher.limits, rows.len());
    let tiles = [
        out_quads.div_ceil(tile_quads),
        rows.len().div_ceil(tile.rows),
    ];
    let count = batches.len() * product.batches[1];
    let pair = |strides: [usize; 2]| strides.map(|stride| stride as u32);
    let k_quads = if step.joined {
        product.x_row + second_row
    } else {
        product.x_row
    };
    let params = matmul::Params {
        rows: rows.len() as u32,
        columns: if geglu {
            step.output.last()
        } else {
            product.columns
        } as u32,
        row_quads: out_quads as u32,
        w_row_quads: product.columns.div_ceil(4) as u32,
        k_quads: k_quads as u32,
        x_quads: product.x_row as u32,
        k_last: product.inner as u32 - 1,
        n_last: product.columns as u32 - 1,
        x_row: product.x_row as u32,
        second_row: second_row as u32,
        w_row: product.w_row as u32,
        out_row: product.out_row as u32,
        inner: product.batches[1] as u32,
        x_strides: pair(product.x_strides),
        w_strides: pair(product.w_strides),
        out_strides: pair(product.out_strides),
        tiles: pair(tiles),
        batches: count as u32,
        pair: if geglu { out_quads } else { THREADS } as u32,
        first_row: (batches.start * product.rows + rows.start) as u32,
        batch_rows: (step.output.rows() / step.output[0]) as u32,
        x_base: x.base,
        second_base: base(second.as_ref()),
        w_base: w.base,
        bias_base: base(bias.as_ref()),
        added_base: base(added.as_ref()),
        per_row_base: base(per_row.as_ref()),
        out_base: out.base,
    };
    let mut constants = vec![
        ("TRANSPOSED", flag(product.transposed)),
        ("RAGGED", flag(!product.inner.is_multiple_of(4))),
        ("JOINED", flag(step.joined)),
        ("BIAS", flag(product.bias)),
        ("GEGLU", flag(geglu)),
    ];
    constants.extend(chain.constants);
    let bindings = [
        Some(&x),
        second.as_ref(),
        Some(&w),
        bias.as_ref(),
        added.as_ref(),
        per_row.as_ref(),
        Some(&out),
    ];
    let workgroups = launcher.spread(tiles[0] * tiles[1] * count);
    let shader = if tile.tiled {
        &matmul_tiled::SHADER
    } else {
        &matmul::SHADER
    };
    launcher.launch_as(shader, workgroups, &params, constants, &bindings);
}
