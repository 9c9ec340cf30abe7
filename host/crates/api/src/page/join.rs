//! All modules of the page as one, so that a browser asks once for code instead of once for each file.
//!
//! A module becomes a function that is called once and gives what it exports; an import takes it from there. Only what
//! the page's own modules use of the syntax is known here: imports and exports that are a line each, by name, and
//! comments that have their lines to themselves, which are for who reads the files and are left out.

use std::fmt::Write as _;

/// The module and those that it imports, directly or not, each after those that it imports. `source` gives a module's
/// text.
pub(crate) fn join<'a>(module: &'a str, source: &impl Fn(&str) -> Option<&'a str>) -> String {
    let mut joined = Joined { text: String::new(), done: Vec::new() };
    joined.add(module, source);
    joined.text
}

struct Joined<'a> {
    text: String,
    done: Vec<&'a str>,
}

impl<'a> Joined<'a> {
    fn add(&mut self, module: &'a str, source: &impl Fn(&str) -> Option<&'a str>) {
        if self.done.contains(&module) {
            return;
        }
        self.done.push(module);
        let text = source(module).unwrap_or_default();
        text.lines().filter_map(import).for_each(|(_, from)| self.add(from, source));
        let mut exports = Vec::new();
        // Writing into a string can't fail.
        let _ = writeln!(self.text, "const ${module} = (() => {{");
        for line in code(text) {
            let _ = match (import(line), line.strip_prefix("export ")) {
                (Some((names, from)), _) => writeln!(self.text, "const {names} = ${from};"),
                (None, Some(declaration)) => {
                    exports.extend(name(declaration));
                    writeln!(self.text, "{declaration}")
                }
                (None, None) => writeln!(self.text, "{line}"),
            };
        }
        let _ = writeln!(self.text, "return {{ {} }};\n}})();", exports.join(", "));
    }
}

/// The lines that are no comment.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let mut is_inside = false;
    text.lines().filter(move |line| {
        let line = line.trim_start();
        let is_block = is_inside || line.starts_with("/*");
        is_inside = is_block && !line.contains("*/");
        !is_block && !line.starts_with("//")
    })
}

/// The names in braces of an import, and the module that it is from.
pub(crate) fn import(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("import ")?.strip_suffix(".js\";")?.split_once(" from \"./")
}

/// What a declaration declares.
fn name(declaration: &str) -> Option<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut words = declaration.split(|c| !is_name(c)).filter(|word| !word.is_empty());
    words.find(|word| !["async", "function", "class", "const", "let"].contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_joined_once_each_after_what_they_import() {
        let source = |module: &str| match module {
            "a" => Some("// The first.\nimport { b, C } from \"./b.js\";\nimport { d } from \"./d.js\";\nb(d);\n"),
            "b" => {
                Some("import { d } from \"./d.js\";\nexport async function b(d) {}\nexport class C extends D {\n}\n")
            }
            "d" => Some("/** One, */\nconst own = 1;\n/**\n * which is\n */\nexport const d = own; // given\n"),
            _ => None,
        };
        let expected = "const $d = (() => {\nconst own = 1;\nconst d = own; // given\nreturn { d };\n})();\n\
                        const $b = (() => {\nconst { d } = $d;\nasync function b(d) {}\nclass C extends D {\n}\nreturn { b, C };\n})();\n\
                        const $a = (() => {\nconst { b, C } = $b;\nconst { d } = $d;\nb(d);\nreturn {  };\n})();\n";
        assert_eq!(join("a", &source), expected);
    }
}
