//! Matrix products.

use super::{
    super::{
        call::Call,
        fault::{Fallible, need, wrong},
        host::{Element, broadcast},
        placed::{Placed, natural},
        value::{Pair, Value},
    },
    Operation, one,
};

pub fn find(name: &str) -> Option<Operation> {
    Some(match name {
        "MatMul" => matmul,
        "Gemm" => gemm,
        _ => return None,
    })
}

fn matmul(call: &Call) -> Fallible<Vec<Value>> {
    one(product(call, call.input(0)?, call.input(1)?)?)
}

/// numpy's: a list is a row on the left and a column on the right, outer axes are repeated.
fn product(call: &Call, a: &Value, b: &Value) -> Fallible<Value> {
    let [rank_a, rank_b] = [a.rank(), b.rank()];
    need(rank_a > 0 && rank_b > 0, || {
        "multiplies a single number".to_owned()
    })?;
    if rank_a == 1 {
        let made = product(call, &a.with_rank(2)?, b)?;
        return made.squeeze(&[made.rank() - if rank_b == 1 { 1 } else { 2 }]);
    }
    if rank_b == 1 {
        let made = product(call, a, &b.reshape(&[b.dims()[0], 1])?)?;
        return made.squeeze(&[made.rank() - 1]);
    }
    let inner = [a.dims()[rank_a - 1], b.dims()[rank_b - 2]];
    need(inner[0] == inner[1], || {
        format!("multiplies {:?} by {:?}", a.dims(), b.dims())
    })?;
    if rank_b == 2 {
        return flat_product(call, a, b);
    }
    let outer = broadcast(&a.dims()[..rank_a - 2], &b.dims()[..rank_b - 2])?;
    let with = |value: &Value| {
        let matrix = &value.dims()[value.rank() - 2..];
        value.expand(&[&outer[..], matrix].concat())
    };
    let [a, b] = [with(a)?.place(call.device)?, with(b)?.place(call.device)?];
    let rank = outer.len() + 2;
    let mut swapped = natural(rank);
    swapped.swap(rank - 1, rank - 2);
    let x = a.natural();
    let made = if b.order() == swapped {
        x.matmul_transposed(b.tensor(), None)
    } else {
        x.matmul(&b.natural(), None)
    };
    Ok(Placed::new(made, &natural(rank), Element::Float).into())
}

/// Everything in `a` but its last axis is rows, in whatever order.
fn flat_product(call: &Call, a: &Value, b: &Value) -> Fallible<Value> {
    let a = a.with_last(a.rank() - 1, call.device)?;
    let transposed = matches!(b, Value::Computed(placed) if placed.order() == [1, 0]);
    let made = if transposed {
        a.tensor()
            .matmul_transposed(&b.arranged(&[1, 0], call.device)?, None)
    } else {
        a.tensor().matmul(&b.arranged(&[0, 1], call.device)?, None)
    };
    Ok(Placed::new(made, a.order(), Element::Float).into())
}

#[expect(
    clippy::float_cmp,
    reason = "a factor of 1 is left out, one close to it is not"
)]
fn is_one(factor: f64) -> bool {
    factor == 1.0
}

fn gemm(call: &Call) -> Fallible<Vec<Value>> {
    let [a, b] = [call.input(0)?, call.input(1)?];
    let [alpha, beta] = [call.float("alpha", 1.0)?, call.float("beta", 1.0)?];
    let [turn_a, turn_b] = [call.flag("transA", false)?, call.flag("transB", false)?];
    need(a.rank() == 2 && b.rank() == 2, || {
        format!("multiplies {:?} by {:?}", a.dims(), b.dims())
    })?;
    let a = if turn_a {
        a.permute(&[1, 0])?
    } else {
        a.clone()
    };
    let [inner, outer] = if turn_b { [1, 0] } else { [0, 1] };
    let columns = b.dims()[outer];
    need(a.dims()[1] == b.dims()[inner], || {
        format!("multiplies {:?} by {:?}", a.dims(), b.dims())
    })?;
    let x = a.with_last(1, call.device)?;
    let weight = b.arranged(&[inner, outer], call.device)?;
    let c = call.optional(2);
    let [plain_a, plain_c] = [alpha, beta].map(is_one);
    let bias = match c {
        Some(c) if plain_a && plain_c && c.dims() == [columns] => {
            Some(c.arranged(&[0], call.device)?)
        }
        _ => None,
    };
    let made = x.tensor().matmul(&weight, bias.as_ref());
    let made = Value::from(Placed::new(made, x.order(), Element::Float));
    match c {
        Some(c) if bias.is_none() => {
            let made = if plain_a {
                made
            } else {
                made.affine(alpha, 0.0)?
            };
            let c = if plain_c {
                c.clone()
            } else {
                c.affine(beta, 0.0)?
            };
            let sum = made.pair(&c, Pair::Add)?;
            if sum.dims() != made.dims() {
                return wrong(format!("adds {:?} to {:?}", c.dims(), made.dims()));
            }
            one(sum)
        }
        None if !plain_a => one(made.affine(alpha, 0.0)?),
        _ => one(made),
    }
}
