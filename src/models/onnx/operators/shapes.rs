//! Shapes, and values that come from them or from nowhere.

use super::{
    super::{
        call::Call,
        constant::Constant,
        fault::{Fallible, elements, need, wrong},
        host::{Element, Numbers, broadcast},
        proto::data_type,
        value::{Pair, Value},
    },
    Operation,
    arithmetic::truncated,
    one,
};

pub fn find(name: &str) -> Option<Operation> {
    Some(match name {
        "Shape" => shape,
        "Size" => |call| {
            let count = call.input(0)?.count() as i64;
            one(Constant::new(Vec::new(), Element::Int, Numbers::Int(vec![count])).into())
        },
        "Identity" => |call| one(call.input(0)?.clone()),
        "Dropout" => dropout,
        "Cast" => cast,
        "CastLike" => |call| one(to(call, call.input(0)?, call.input(1)?.element())?),
        "Constant" => constant,
        "ConstantOfShape" => constant_of_shape,
        "Range" => range,
        "EyeLike" => eye_like,
        "Expand" => expand,
        _ => return None,
    })
}

fn shape(call: &Call) -> Fallible<Vec<Value>> {
    let dims = call.input(0)?.dims();
    let rank = dims.len() as i64;
    let counted = |axis: i64| {
        let axis = if axis < 0 { axis + rank } else { axis };
        axis.clamp(0, rank) as usize
    };
    let start = counted(call.int("start", 0)?);
    let end = counted(call.int("end", rank)?).max(start);
    let dims = dims[start..end].iter().map(|&dim| dim as i64);
    one(Constant::list(dims.collect()).into())
}

fn dropout(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    if call
        .optional(2)
        .is_some_and(|flag| flag.single() != Some(0.0))
    {
        return wrong("drops at random, as in training");
    }
    let mut made = vec![x.clone()];
    if call.node.outputs.len() > 1 {
        let ones = Numbers::Int(vec![1; x.count()]);
        made.push(Constant::new(x.dims().to_vec(), Element::Bool, ones).into());
    }
    Ok(made)
}

fn to(call: &Call, x: &Value, element: Element) -> Fallible<Value> {
    Ok(match (x, x.element(), element) {
        (_, from, to) if from == to => x.clone(),
        (_, _, Element::Bool) => {
            let zero = call.number("zero", 0.0)?;
            x.pair(&zero, Pair::Equal)?.affine(-1.0, 1.0)?
        }
        (Value::Computed(_), Element::Float, Element::Int) => {
            truncated(call, x)?.meaning(Element::Int)
        }
        _ => x.meaning(element),
    })
}

fn cast(call: &Call) -> Fallible<Vec<Value>> {
    let element = match call.int("to", 0)? as i32 {
        data_type::FLOAT | data_type::FLOAT16 | data_type::DOUBLE | data_type::BFLOAT16 => {
            Element::Float
        }
        data_type::BOOL => Element::Bool,
        data_type::INT64
        | data_type::INT32
        | data_type::INT16
        | data_type::INT8
        | data_type::UINT64
        | data_type::UINT32
        | data_type::UINT16
        | data_type::UINT8 => Element::Int,
        other => return wrong(format!("casts to ONNX's type {other}")),
    };
    one(to(call, call.input(0)?, element)?)
}

fn constant(call: &Call) -> Fallible<Vec<Value>> {
    if let Some(tensor) = call.tensor("value")? {
        return one(tensor.into());
    }
    let int = |dims, ints| Constant::new(dims, Element::Int, Numbers::Int(ints));
    let names = call
        .node
        .attributes
        .iter()
        .map(|attribute| &attribute.name[..]);
    let made = match names.last() {
        Some("value_float") => {
            Constant::floats(Vec::new(), vec![call.float("value_float", 0.0)? as f32])
        }
        Some("value_int") => int(Vec::new(), vec![call.int("value_int", 0)?]),
        Some("value_floats") => {
            let floats = call.float_list("value_floats")?.unwrap_or_default();
            Constant::floats(vec![floats.len()], floats.to_vec())
        }
        Some("value_ints") => {
            let ints = call.int_list("value_ints")?.unwrap_or_default();
            int(vec![ints.len()], ints.to_vec())
        }
        other => return wrong(format!("holds {}", other.unwrap_or("nothing"))),
    };
    one(made.into())
}

/// Extents that stand in a list.
fn extents(ints: &[i64]) -> Fallible<Vec<usize>> {
    let dims: Option<Vec<usize>> = ints.iter().map(|&dim| usize::try_from(dim).ok()).collect();
    match dims {
        Some(dims) => Ok(dims),
        None => wrong(format!("makes a tensor {ints:?}")),
    }
}

/// What has to be known before there is a picture.
fn required<'a>(call: &'a Call, index: usize, what: &str) -> Fallible<&'a Constant> {
    call.input(index)?;
    match call.known(index, what)? {
        Some(constant) => Ok(constant),
        None => wrong(format!("lacks its input {index}")),
    }
}

fn constant_of_shape(call: &Call) -> Fallible<Vec<Value>> {
    let dims = extents(required(call, 0, "a shape")?.ints()?)?;
    let count = elements(&dims)?;
    let value = call.tensor("value")?;
    let made = match value {
        None => Constant::floats(dims, vec![0.0; count]),
        Some(value) => match value.numbers() {
            Numbers::Float(numbers) if numbers.len() == 1 => {
                Constant::floats(dims, vec![numbers[0]; count])
            }
            Numbers::Int(numbers) if numbers.len() == 1 => {
                Constant::new(dims, value.element(), Numbers::Int(vec![numbers[0]; count]))
            }
            _ => return wrong("fills with more than one number"),
        },
    };
    one(made.into())
}

fn range(call: &Call) -> Fallible<Vec<Value>> {
    let limits = [
        required(call, 0, "limits")?,
        required(call, 1, "limits")?,
        required(call, 2, "limits")?,
    ];
    let numbers = limits.map(Constant::single);
    let [Some(start), Some(limit), Some(delta)] = numbers else {
        return wrong("has limits that are not single numbers");
    };
    need(delta != 0.0, || "counts in steps of 0".to_owned())?;
    let count = ((limit - start) / delta).ceil().max(0.0);
    need(count.is_finite(), || "counts without end".to_owned())?;
    let count = elements(&[count as usize])?;
    let at = |index: usize| start + index as f64 * delta;
    let numbers = match limits[0].element() {
        Element::Float => Numbers::Float((0..count).map(|index| at(index) as f32).collect()),
        _ => Numbers::Int((0..count).map(|index| at(index) as i64).collect()),
    };
    one(Constant::new(vec![count], limits[0].element(), numbers).into())
}

fn eye_like(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let &[rows, columns] = x.dims() else {
        return wrong(format!("makes a matrix like {:?}", x.dims()));
    };
    let offset = call.int("k", 0)?;
    let cell = |at: usize| (at / columns) as i64 + offset == (at % columns) as i64;
    let ones = (0..elements(&[rows, columns])?).map(|at| f32::from(u8::from(cell(at))));
    let eye = Value::from(Constant::floats(vec![rows, columns], ones.collect()));
    let element = match call.int("dtype", 0)? as i32 {
        0 => x.element(),
        data_type::FLOAT | data_type::DOUBLE | data_type::FLOAT16 => Element::Float,
        _ => Element::Int,
    };
    one(eye.meaning(element))
}

fn expand(call: &Call) -> Fallible<Vec<Value>> {
    let x = call.input(0)?;
    let dims = extents(required(call, 1, "a shape")?.ints()?)?;
    one(x.expand(&broadcast(x.dims(), &dims)?)?)
}
