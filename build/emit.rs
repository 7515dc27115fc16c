//! Writes what was learnt about the shaders as Rust.

use std::fmt::Write;

use crate::reflect::{Field, Shader};

/// The field that holds a step's scalars; the planner writes it, callers do not.
const SCALARS: &str = "scalars";

/// Rust for all shaders: the preludes, and a module with a `SHADER` and its `Params` for each.
pub fn emit(preludes: &[(&str, String)], shaders: &[(Shader, String)]) -> String {
    let mut code = String::new();
    for (storage, text) in preludes {
        line(
            &mut code,
            &format!(
                "pub const PRELUDE_{}: &str = {text:?};",
                storage.to_uppercase()
            ),
        );
    }
    for (shader, body) in shaders {
        module(&mut code, shader, body);
    }
    line(&mut code, "pub const ALL: &[&Shader] = &[");
    for (shader, _) in shaders {
        line(&mut code, &format!("&{}::SHADER,", shader.name));
    }
    line(&mut code, "];");
    code
}

fn module(code: &mut String, shader: &Shader, body: &str) {
    let Shader {
        name,
        writes,
        fields,
        words,
        workgroup,
        overrides,
    } = shader;
    let scalars = fields.iter().find(|field| field.name == SCALARS);
    let scalars_at = scalars.map(|field| field.at as usize);
    let scalar_room = scalars.map_or(0, |field| field.width * field.count.unwrap_or(1));
    let settable = || fields.iter().filter(|field| field.name != SCALARS);
    line(code, &format!("pub mod {name} {{"));
    line(code, "pub const SHADER: super::Shader = super::Shader {");
    line(
        code,
        &format!("name: {name:?}, body: {body:?}, writes: &{writes:?},"),
    );
    line(
        code,
        &format!("params_bytes: {}, scalars_at: {scalars_at:?},", words * 4),
    );
    line(
        code,
        &format!("scalar_room: {scalar_room}, workgroup: {workgroup:?},"),
    );
    line(code, &format!("overrides: &{overrides:?} }};"));
    line(code, "#[derive(Clone, Copy, Debug, Default)]");
    line(code, "pub struct Params {");
    for field in settable() {
        line(code, &format!("pub {}: {},", field.name, rust_type(field)));
    }
    line(code, "}");
    line(code, "impl super::Params for Params {");
    line(code, "const SHADER: &'static super::Shader = &SHADER;");
    line(
        code,
        &format!("fn words(&self) -> Vec<u32> {{ let mut words = vec![0; {words}];"),
    );
    for field in settable() {
        for (at, value) in (field.at..).zip(values(field)) {
            line(code, &format!("words[{at}] = {value};"));
        }
    }
    line(code, "words } } }");
}

fn rust_type(field: &Field) -> String {
    let row = match field.width {
        1 => field.word.to_owned(),
        width => format!("[{}; {width}]", field.word),
    };
    field
        .count
        .map_or(row.clone(), |count| format!("[{row}; {count}]"))
}

/// An expression for each word of a field.
fn values(field: &Field) -> Vec<String> {
    let bits = match field.word {
        "f32" => ".to_bits()",
        "i32" => ".cast_unsigned()",
        _ => "",
    };
    let rows: Vec<_> = match field.count {
        Some(count) => (0..count).map(|row| format!("[{row}]")).collect(),
        None => vec![String::new()],
    };
    let lanes: Vec<_> = match field.width {
        1 => vec![String::new()],
        width => (0..width).map(|lane| format!("[{lane}]")).collect(),
    };
    rows.iter()
        .flat_map(|row| lanes.iter().map(move |lane| (row, lane)))
        .map(|(row, lane)| format!("self.{}{row}{lane}{bits}", field.name))
        .collect()
}

fn line(code: &mut String, text: &str) {
    writeln!(code, "{text}").expect("a string takes any text");
}
