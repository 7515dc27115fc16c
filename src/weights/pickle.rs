//! Python's pickles, read as data: what PyTorch writes around its tensors.
//!
//! A pickle is a small program for a stack machine, and Python lets it call whatever it names
//! (<https://docs.python.org/3/library/pickletools.html>). Here nothing is called: the few functions that make tensors are known by
//! name, and everything else becomes a box that holds what it was given.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

/// Most values of one pickle, and the longest text in it.
const MOST: usize = 1 << 22;

/// A part of a pickle that others may also refer to.
pub type Shared<T> = Rc<RefCell<T>>;

/// What a pickle is made of.
#[derive(Clone, Debug)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
    /// A function or class by its name, `torch._utils._rebuild_tensor_v2`.
    Global(String),
    /// Values in order.
    Tuple(Vec<Value>),
    /// Values in order, to which more may come.
    List(Shared<Vec<Value>>),
    /// Values by others; in the order they came.
    Dict(Shared<Vec<(Value, Value)>>),
    /// An object's attributes by their names.
    Object(Shared<Vec<(Value, Value)>>),
    /// What the pickle leaves to its reader to find.
    Outside(Rc<Value>),
    /// A tensor's numbers somewhere in the file.
    Tensor(Rc<Placed>),
    /// Something that is for nothing here.
    Other,
    /// Where a list of values on the stack begins.
    Mark,
}

/// A tensor as a pickle describes it.
#[derive(Clone, Debug)]
pub struct Placed {
    /// What holds its numbers, as the pickle calls it.
    pub storage: Value,
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

/// Reads a pickle: its value, and how many bytes it takes.
pub fn read(bytes: &[u8]) -> Read<(Value, usize)> {
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        memo: HashMap::new(),
    };
    let value = machine.run()?;
    Ok((value, machine.at))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    memo: HashMap<usize, Value>,
}

fn wrong<T>(text: impl Into<String>) -> Read<T> {
    Err(Fault::Wrong(text.into()))
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Read<Value> {
        loop {
            if self.stack.len() > MOST || self.memo.len() > MOST {
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
        Ok(Value::Text(String::from_utf8_lossy(taken).into_owned()))
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

    fn tuple(&mut self, count: usize) -> Read<Value> {
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            values.push(self.pop()?);
        }
        values.reverse();
        Ok(Value::Tuple(values))
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
    fn add(&mut self, values: Vec<Value>) -> Read<()> {
        match self.stack.last() {
            Some(Value::List(list)) => list.borrow_mut().extend(values),
            Some(Value::Dict(dict) | Value::Object(dict)) => {
                dict.borrow_mut().extend(pairs(values));
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
            b')' => Value::Tuple(Vec::new()),
            b't' => Value::Tuple(self.marked()?),
            0x85..=0x87 => self.tuple(usize::from(code - 0x84))?,
            b']' => Value::List(Shared::default()),
            b'l' => Value::List(Rc::new(RefCell::new(self.marked()?))),
            b'}' => Value::Dict(Shared::default()),
            b'd' => Value::Dict(Rc::new(RefCell::new(pairs(self.marked()?).collect()))),
            b'c' => {
                let [module, name] = [self.line()?, self.line()?];
                Value::Global(format!("{module}.{name}"))
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => {
                    Value::Global(format!("{module}.{name}"))
                }
                _ => return wrong("it names a function by what is no text"),
            },
            b'Q' => Value::Outside(Rc::new(self.pop()?)),
            b'R' | 0x81 => {
                let given = self.pop()?;
                let what = self.pop()?;
                called(&what, given)?
            }
            other => return wrong(format!("it does what is not known here: {other:#04x}")),
        };
        self.stack.push(value);
        Ok(())
    }

    /// Gives the object below its attributes. What else has a state, as dictionaries that count their versions, needs none here.
    fn build(&mut self) -> Read<()> {
        let state = self.pop()?;
        if let (Some(Value::Object(object)), Value::Dict(state)) = (self.stack.last(), &state)
            && !Rc::ptr_eq(object, state)
        {
            object.borrow_mut().extend(state.borrow().iter().cloned());
        }
        Ok(())
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

fn pairs(values: Vec<Value>) -> impl Iterator<Item = (Value, Value)> {
    let mut values = values.into_iter();
    std::iter::from_fn(move || Some((values.next()?, values.next()?)))
}

/// What a function makes of its arguments.
fn called(what: &Value, given: Value) -> Read<Value> {
    let Value::Global(name) = what else {
        return wrong("it calls what is no function");
    };
    let Value::Tuple(mut given) = given else {
        return wrong(format!("it calls {name} without arguments"));
    };
    match &name[..] {
        "collections.OrderedDict" | "builtins.dict" => Ok(Value::Dict(Shared::default())),
        "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => {
            let [storage, first, shape, strides, ..] = &given[..] else {
                return wrong(format!("it calls {name} with too few arguments"));
            };
            placed(storage, first, shape, strides)
        }
        "torch._utils._rebuild_parameter" if !given.is_empty() => Ok(given.swap_remove(0)),
        _ => Ok(Value::Object(Shared::default())),
    }
}

fn placed(storage: &Value, first: &Value, shape: &Value, strides: &Value) -> Read<Value> {
    let (Some(first), Some(shape), Some(strides)) = (count(first), counts(shape), counts(strides))
    else {
        return wrong("it has a tensor whose shape is no row of numbers");
    };
    if shape.len() != strides.len() {
        return wrong("it has a tensor whose shape and strides differ in length");
    }
    Ok(Value::Tensor(Rc::new(Placed {
        storage: storage.clone(),
        first,
        shape,
        strides,
    })))
}

/// A number of things.
pub fn count(value: &Value) -> Option<usize> {
    match value {
        Value::Int(number) => usize::try_from(*number).ok(),
        _ => None,
    }
}

fn counts(value: &Value) -> Option<Vec<usize>> {
    match value {
        Value::Tuple(values) => values.iter().map(count).collect(),
        _ => None,
    }
}
