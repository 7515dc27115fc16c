//! Python's pickles, read as data: what PyTorch writes around its tensors.
//!
//! A pickle is a small program for a stack machine, and Python lets it call whatever it names
//! (<https://docs.python.org/3/library/pickletools.html>). Here nothing is called: the few functions that make tensors are known by
//! name, and everything else becomes a box that holds what it was given.
//!
//! A pickle may hold a part of itself in many places, inside others and even inside itself. So parts lie side by side in one list,
//! and values name them by their places there: a value is as small to copy as it is to drop, however a file is nested.

use std::{collections::HashMap, rc::Rc};

/// Most values on the stack of one pickle, most that it remembers, most parts, and most attributes.
const MOST: usize = 1 << 22;

/// What a pickle is made of.
#[derive(Clone, Debug)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// Text.
    Text(Rc<str>),
    /// A function or class by its name, `torch._utils._rebuild_tensor_v2`.
    Global(Rc<str>),
    /// Values in order.
    Tuple(Part),
    /// Values in order, to which more may come.
    List(Part),
    /// Values by others, in turn: each key and what it stands for.
    Dict(Part),
    /// An object's attributes by their names, likewise.
    Object(Part),
    /// What the pickle leaves to its reader to find: a tuple that describes it.
    Outside(Part),
    /// A tensor's numbers somewhere in the file.
    Tensor(Rc<Placed>),
    /// Something that is for nothing here.
    Other,
    /// Where a list of values on the stack begins.
    Mark,
}

/// The place of a part among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part(usize);

/// A pickle that was read.
#[derive(Debug)]
pub struct Pickle {
    /// The whole.
    pub root: Value,
    parts: Vec<Vec<Value>>,
    /// How many bytes it takes.
    pub length: usize,
}

impl Pickle {
    /// What a tuple or list holds.
    pub fn values(&self, part: Part) -> &[Value] {
        &self.parts[part.0]
    }

    /// All tensors in it, wherever they are.
    pub fn tensors(&self) -> impl Iterator<Item = &Placed> {
        let values = self.parts.iter().flatten().chain([&self.root]);
        values.filter_map(|value| match value {
            Value::Tensor(tensor) => Some(&**tensor),
            _ => None,
        })
    }

    /// What a dictionary or object holds: keys, and what they stand for.
    pub fn pairs(&self, part: Part) -> impl Iterator<Item = (&Value, &Value)> {
        let pairs = self.values(part).as_chunks::<2>().0;
        pairs.iter().map(|[key, value]| (key, value))
    }
}

/// A tensor as a pickle describes it.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The tuple that describes what holds its numbers.
    pub storage: Part,
    /// The first of its numbers there.
    pub first: usize,
    /// Its extent along each axis.
    pub shape: Vec<usize>,
    /// How far apart neighbours are along each axis.
    pub strides: Vec<usize>,
}

/// Why a pickle could not be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// It goes on behind what was given.
    Short,
    /// It is none; the text says in what.
    Wrong(String),
}

type Read<T> = Result<T, Fault>;

/// Reads a pickle.
///
/// # Errors
/// When it is not whole, or none.
pub fn read(bytes: &[u8]) -> Result<Pickle, Fault> {
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        memo: HashMap::new(),
        parts: Vec::new(),
        attributes: 0,
    };
    Ok(Pickle {
        root: machine.run()?,
        parts: machine.parts,
        length: machine.at,
    })
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    memo: HashMap<usize, Value>,
    parts: Vec<Vec<Value>>,
    /// How many attributes objects were given in all: they alone are copied.
    attributes: usize,
}

fn wrong<T>(text: impl Into<String>) -> Read<T> {
    Err(Fault::Wrong(text.into()))
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Read<Value> {
        loop {
            let counts = [self.stack.len(), self.memo.len(), self.parts.len()];
            if counts.iter().any(|count| *count > MOST) {
                return wrong("it has more values than any model");
            }
            let code = self.take(1)?[0];
            if code == b'.' {
                return self.pop();
            }
            self.step(code)?;
        }
    }

    fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let end = self.at.checked_add(count).ok_or(Fault::Short)?;
        let taken = self.bytes.get(self.at..end).ok_or(Fault::Short)?;
        self.at = end;
        Ok(taken)
    }

    /// A whole number without sign in so many bytes.
    fn number(&mut self, bytes: usize) -> Read<usize> {
        let taken = self.take(bytes)?;
        let number = taken
            .iter()
            .rev()
            .fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
        usize::try_from(number).map_err(|_| Fault::Wrong(format!("it counts to {number}")))
    }

    /// As many bytes as the number in front of them says.
    fn counted(&mut self, bytes: usize) -> Read<&'a [u8]> {
        let count = self.number(bytes)?;
        self.take(count)
    }

    fn text(&mut self, bytes: usize) -> Read<Value> {
        let taken = self.counted(bytes)?;
        Ok(Value::Text(String::from_utf8_lossy(taken).into()))
    }

    fn line(&mut self) -> Read<String> {
        let rest = &self.bytes[self.at..];
        let length = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or(Fault::Short)?;
        let line = self.take(length + 1)?;
        Ok(String::from_utf8_lossy(&line[..length]).into_owned())
    }

    fn pop(&mut self) -> Read<Value> {
        match self.stack.pop() {
            Some(Value::Mark) | None => wrong("it takes what is not there"),
            Some(value) => Ok(value),
        }
    }

    /// Everything above the last mark.
    fn marked(&mut self) -> Read<Vec<Value>> {
        let mark = self
            .stack
            .iter()
            .rposition(|value| matches!(value, Value::Mark));
        let Some(mark) = mark else {
            return wrong("it ends a list that never began");
        };
        let values = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(values)
    }

    /// A new part.
    fn part(&mut self, values: Vec<Value>) -> Part {
        self.parts.push(values);
        Part(self.parts.len() - 1)
    }

    fn marked_part(&mut self) -> Read<Part> {
        let values = self.marked()?;
        Ok(self.part(values))
    }

    fn tuple(&mut self, count: usize) -> Read<Value> {
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(self.pop()?);
        }
        values.reverse();
        Ok(Value::Tuple(self.part(values)))
    }

    fn remember(&mut self, key: usize) -> Read<()> {
        let Some(top) = self.stack.last() else {
            return wrong("it remembers what is not there");
        };
        self.memo.insert(key, top.clone());
        Ok(())
    }

    fn recall(&self, key: usize) -> Read<Value> {
        match self.memo.get(&key) {
            Some(value) => Ok(value.clone()),
            None => wrong("it recalls what it never remembered"),
        }
    }

    /// Adds values to the list or dictionary on top.
    fn add(&mut self, mut values: Vec<Value>) -> Read<()> {
        match self.stack.last() {
            Some(Value::List(Part(list))) => self.parts[*list].extend(values),
            Some(Value::Dict(Part(dict)) | Value::Object(Part(dict))) => {
                values.truncate(values.len() / 2 * 2);
                self.parts[*dict].extend(values);
            }
            Some(_) => {}
            None => return wrong("it adds to what is not there"),
        }
        Ok(())
    }

    fn step(&mut self, code: u8) -> Read<()> {
        let value = match code {
            0x80 => return self.take(1).map(drop),
            0x95 => return self.take(8).map(drop),
            b'q' => return self.number(1).and_then(|key| self.remember(key)),
            b'r' => return self.number(4).and_then(|key| self.remember(key)),
            0x94 => return self.remember(self.memo.len()),
            b'0' => return self.pop().map(drop),
            b'1' => return self.marked().map(drop),
            b'a' => {
                let value = self.pop()?;
                return self.add(vec![value]);
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                return self.add(vec![key, value]);
            }
            b'e' | b'u' => {
                let values = self.marked()?;
                return self.add(values);
            }
            b'b' => return self.build(),
            b'(' => Value::Mark,
            b'h' => {
                let key = self.number(1)?;
                self.recall(key)?
            }
            b'j' => {
                let key = self.number(4)?;
                self.recall(key)?
            }
            b'2' => self.stack.last().cloned().unwrap_or(Value::Other),
            b'N' | 0x88 | 0x89 => Value::Other,
            b'K' => Value::Int(self.number(1)? as i64),
            b'M' => Value::Int(self.number(2)? as i64),
            b'J' => Value::Int(i64::from(self.number(4)? as u32 as i32)),
            0x8a => Value::Int(whole(self.counted(1)?)),
            b'G' => {
                self.take(8)?;
                Value::Other
            }
            b'X' | b'T' => self.text(4)?,
            0x8c | b'U' => self.text(1)?,
            0x8d => self.text(8)?,
            b'B' => {
                self.counted(4)?;
                Value::Other
            }
            b'C' => {
                self.counted(1)?;
                Value::Other
            }
            b')' => Value::Tuple(self.part(Vec::new())),
            b't' => Value::Tuple(self.marked_part()?),
            0x85..=0x87 => self.tuple(usize::from(code - 0x84))?,
            b']' => Value::List(self.part(Vec::new())),
            b'l' => Value::List(self.marked_part()?),
            b'}' => Value::Dict(self.part(Vec::new())),
            b'd' => Value::Dict(self.marked_part()?),
            b'c' => {
                let [module, name] = [self.line()?, self.line()?];
                Value::Global(format!("{module}.{name}").into())
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => {
                    Value::Global(format!("{module}.{name}").into())
                }
                _ => return wrong("it names a function by what is no text"),
            },
            b'Q' => match self.pop()? {
                Value::Tuple(part) => Value::Outside(part),
                _ => Value::Other,
            },
            b'R' | 0x81 => {
                let given = self.pop()?;
                let what = self.pop()?;
                self.called(&what, &given)?
            }
            other => return wrong(format!("it does what is not known here: {other:#04x}")),
        };
        self.stack.push(value);
        Ok(())
    }

    /// Gives the object below its attributes. What else has a state, as dictionaries that count their versions, needs none here.
    fn build(&mut self) -> Read<()> {
        let state = self.pop()?;
        if let (Some(Value::Object(object)), Value::Dict(state)) = (self.stack.last(), &state) {
            let attributes = self.parts[state.0].clone();
            self.attributes += attributes.len();
            if self.attributes > MOST {
                return wrong("its objects have more attributes than any model's");
            }
            self.parts[object.0].extend(attributes);
        }
        Ok(())
    }

    /// What a function makes of its arguments.
    fn called(&mut self, what: &Value, given: &Value) -> Read<Value> {
        let Value::Global(name) = what else {
            return wrong("it calls what is no function");
        };
        let Value::Tuple(given) = given else {
            return wrong(format!("it calls {name} without arguments"));
        };
        let given = &self.parts[given.0][..];
        match (&name[..], given) {
            ("collections.OrderedDict" | "builtins.dict", _) => {
                Ok(Value::Dict(self.part(Vec::new())))
            }
            (
                "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor",
                [storage, first, shape, strides, ..],
            ) => self.placed(storage, first, shape, strides),
            ("torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor", _) => {
                wrong(format!("it calls {name} with too few arguments"))
            }
            ("torch._utils._rebuild_parameter", [tensor, ..]) => Ok(tensor.clone()),
            _ => Ok(Value::Object(self.part(Vec::new()))),
        }
    }

    fn placed(
        &self,
        storage: &Value,
        first: &Value,
        shape: &Value,
        strides: &Value,
    ) -> Read<Value> {
        let (Some(first), Some(shape), Some(strides)) =
            (count(first), self.counts(shape), self.counts(strides))
        else {
            return wrong("it has a tensor whose shape is no row of numbers");
        };
        if shape.len() != strides.len() {
            return wrong("it has a tensor whose shape and strides differ in length");
        }
        let Value::Outside(storage) = *storage else {
            return wrong("it has a tensor whose numbers are nowhere");
        };
        Ok(Value::Tensor(Rc::new(Placed {
            storage,
            first,
            shape,
            strides,
        })))
    }

    fn counts(&self, value: &Value) -> Option<Vec<usize>> {
        match value {
            Value::Tuple(part) => self.parts[part.0].iter().map(count).collect(),
            _ => None,
        }
    }
}

/// A whole number with sign, its least byte first.
fn whole(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|&byte| byte > 0x7f);
    let all = bytes.iter().take(8).enumerate();
    let sum = all.fold(0_u64, |sum, (at, &byte)| sum | u64::from(byte) << (8 * at));
    let missing = 8 * bytes.len().min(8);
    if negative && missing < 64 {
        (sum | u64::MAX << missing) as i64
    } else {
        sum as i64
    }
}

/// A number of things.
pub fn count(value: &Value) -> Option<usize> {
    match value {
        Value::Int(number) => usize::try_from(*number).ok(),
        _ => None,
    }
}
