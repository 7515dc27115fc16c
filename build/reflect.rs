//! Validates a shader and takes from it what its callers must know.

use naga::{
    AddressSpace, ArraySize, Module, Scalar, ScalarKind, StorageAccess, Type, TypeInner,
    VectorSize,
    valid::{Capabilities, ValidationFlags, Validator},
};

/// What callers of a shader must know.
pub struct Shader {
    /// File name without its ending.
    pub name: String,
    /// Whether each storage buffer is written, by binding.
    pub writes: Vec<bool>,
    /// The uniform block's fields.
    pub fields: Vec<Field>,
    /// The uniform block's size, in words.
    pub words: u32,
    /// Invocations of a workgroup along each axis.
    pub workgroup: [u32; 3],
    /// Names of the pipeline-overridable constants.
    pub overrides: Vec<String>,
}

/// A field of a uniform block: `count` rows of `width` words.
pub struct Field {
    /// Its name.
    pub name: String,
    /// Where it begins, in words.
    pub at: u32,
    /// The Rust type of a word.
    pub word: &'static str,
    /// Words of a row; 1 for a scalar.
    pub width: u32,
    /// Rows of an array; `None` when it is not one.
    pub count: Option<u32>,
}

/// Validates a whole shader and describes it.
pub fn reflect(name: &str, source: &str) -> Result<Shader, String> {
    let module = naga::front::wgsl::parse_str(source)
        .map_err(|error| error.emit_to_string_with_path(source, name))?;
    let capabilities = Capabilities::SHADER_FLOAT16 | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .map_err(|error| error.emit_to_string_with_path(source, name))?;
    let [entry] = &module.entry_points[..] else {
        return Err("a shader has exactly one entry point".to_owned());
    };
    let (writes, block) = bindings(&module)?;
    let TypeInner::Struct { members, span } = &block.inner else {
        return Err("the last binding is the uniform block `params`".to_owned());
    };
    let fields = members.iter().map(|member| {
        let name = member.name.clone().unwrap_or_default();
        field(
            &module,
            &module.types[member.ty].inner,
            member.offset / 4,
            name,
        )
    });
    let mut overrides: Vec<_> = module
        .overrides
        .iter()
        .filter_map(|(_, constant)| constant.name.clone())
        .collect();
    overrides.sort();
    Ok(Shader {
        name: name.to_owned(),
        writes,
        fields: fields.collect::<Result<_, _>>()?,
        words: span / 4,
        workgroup: entry.workgroup_size,
        overrides,
    })
}

/// Whether each storage buffer is written, and the uniform block behind them.
fn bindings(module: &Module) -> Result<(Vec<bool>, &Type), String> {
    let mut bound: Vec<_> = module
        .global_variables
        .iter()
        .filter_map(|(_, variable)| Some((variable.binding?, variable)))
        .collect();
    bound.sort_by_key(|(binding, _)| binding.binding);
    let dense = (0u32..)
        .zip(&bound)
        .all(|(at, (binding, _))| binding.group == 0 && binding.binding == at);
    if !dense {
        return Err("bindings count up from 0 in group 0".to_owned());
    }
    let Some(((_, params), storage)) = bound.split_last() else {
        return Err("a shader has bindings".to_owned());
    };
    if params.space != AddressSpace::Uniform {
        return Err("the last binding is the uniform block `params`".to_owned());
    }
    let writes = storage.iter().map(|(_, variable)| match variable.space {
        AddressSpace::Storage { access } => Ok(access.contains(StorageAccess::STORE)),
        _ => Err("all bindings but the last are storage buffers".to_owned()),
    });
    Ok((writes.collect::<Result<_, _>>()?, &module.types[params.ty]))
}

fn field(module: &Module, ty: &TypeInner, at: u32, name: String) -> Result<Field, String> {
    let unknown = || format!("params.{name} has a type that callers cannot write");
    let word = |scalar: Scalar| match (scalar.kind, scalar.width) {
        (ScalarKind::Uint, 4) => Ok("u32"),
        (ScalarKind::Sint, 4) => Ok("i32"),
        (ScalarKind::Float, 4) => Ok("f32"),
        _ => Err(unknown()),
    };
    let (word, width, count) = match *ty {
        TypeInner::Scalar(scalar) => (word(scalar)?, 1, None),
        TypeInner::Vector { size, scalar } => (word(scalar)?, size as u32, None),
        TypeInner::Array {
            base,
            size: ArraySize::Constant(count),
            ..
        } => {
            let TypeInner::Vector {
                size: VectorSize::Quad,
                scalar,
            } = module.types[base].inner
            else {
                return Err(unknown());
            };
            (word(scalar)?, 4, Some(count.get()))
        }
        _ => return Err(unknown()),
    };
    Ok(Field {
        name,
        at,
        word,
        width,
        count,
    })
}
