//! The document: style, sections, tables, legends, and the escaping of what comes from outside.

use super::palette::{INK, Ink, dark_css, tier};
use std::fmt::Write;

/// The style sheet but for the colours. Light by default; the page prints light.
const STYLE: &str = "
:root{color-scheme:light dark;--ground:#FFFFFF;--soft:#F3F4F6;--line:#DCDFE3;--mute:#59606A;--bad:#B3261E}
body{font:16px/1.5 system-ui,sans-serif;background:var(--ground);color:var(--ink);max-width:1040px;margin:0 auto;padding:1.5rem}
h1{font-size:1.5rem;margin:0 0 .5rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line);padding-bottom:.2rem}
p{margin:.5rem 0;overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:.8rem;margin:1rem 0}
.tile{background:var(--soft);border-radius:6px;padding:.7rem 1rem}
.tile b{display:block;font-size:1.7rem;line-height:1.25;font-variant-numeric:tabular-nums}
.tile span{color:var(--mute);font-size:.88rem}
.bad b,.bad span{color:var(--bad);font-weight:700}
figure{margin:0;break-inside:avoid}
figure svg{display:block;max-width:100%;height:auto}
figcaption{color:var(--mute);font-size:.88rem}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.3rem;font-size:.9rem;margin:.2rem 0 .4rem}
.legend span{display:inline-flex;align-items:center;gap:.45rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;margin:.6rem 0}
th,td{padding:.2rem 1.3rem .2rem 0;text-align:right;border-bottom:1px solid var(--line);vertical-align:top;font-weight:400}
thead th{color:var(--mute);font-size:.84rem}
th:first-child,td:first-child{text-align:left}
.raw{columns:2;column-gap:2.5rem}
.raw div{display:flex;justify-content:space-between;gap:1rem;border-bottom:1px solid var(--line);font-size:.84rem;break-inside:avoid}
.raw span:last-child{text-align:right;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.raw span:first-child{color:var(--mute);white-space:nowrap}
pre{background:var(--soft);border-radius:6px;padding:.7rem 1rem;white-space:pre-wrap;overflow-wrap:anywhere}
@media(max-width:700px){.raw{columns:1}}
@media print{body{max-width:none;padding:0;font-size:12px}h2{break-after:avoid}.tile{border:1px solid var(--line)}}
";

/// The whole page.
pub(crate) fn document(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}:root{{--ink:{}}}\n@media screen and (prefers-color-scheme:dark){{\n\
         :root{{--ground:#15181C;--soft:#1F242A;--line:#353A41;--mute:#A3AAB3;--bad:#FF8A80;--ink:{}}}\n{}}}\n</style>\n\
         </head>\n<body>\n<h1>{title}</h1>\n{body}</body>\n</html>\n",
        INK.hex(),
        INK.dark_hex(),
        dark_css()
    )
}

/// Text as HTML, also within a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
        out
    })
}

/// A number with its thousands apart.
pub(crate) fn count(n: u64) -> String {
    indicatif::HumanCount(n).to_string()
}

/// A section; `body` is HTML.
pub(crate) fn section(id: &str, title: &str, body: &str) -> String {
    format!("<section id=\"{id}\">\n<h2>{}</h2>\n{body}\n</section>\n", escape(title))
}

/// A plot under its legend, over a note.
pub(crate) fn figure(legend: &str, svg: &str, note: &str) -> String {
    let legend = if legend.is_empty() { String::new() } else { format!("<div class=\"legend\">{legend}</div>\n") };
    format!("{legend}<figure>\n{svg}<figcaption>{}</figcaption>\n</figure>", escape(note))
}

/// Numbers in large type: the number, what it is, whether it is bad news.
pub(super) fn tiles(tiles: &[(String, String, bool)]) -> String {
    let tiles = tiles.iter().fold(String::new(), |mut out, (number, what, bad)| {
        let class = if *bad { "tile bad" } else { "tile" };
        let _ = writeln!(out, "<div class=\"{class}\"><b>{}</b><span>{}</span></div>", escape(number), escape(what));
        out
    });
    format!("<div class=\"tiles\">\n{tiles}</div>\n")
}

/// A table. The first column holds names.
pub(crate) fn table(header: &[String], rows: &[Vec<String>]) -> String {
    let cells = |row: &[String], tag: &str| {
        row.iter().fold(String::new(), |mut out, cell| {
            let _ = write!(out, "<{tag}>{}</{tag}>", escape(cell));
            out
        })
    };
    let body: String = rows.iter().map(|row| format!("<tr>{}</tr>\n", cells(row, "td"))).collect();
    let head = cells(header, "th");
    format!("<div class=\"wide\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n")
}

/// A legend's entry; `sample` is the inside of a 26 by 14 SVG.
pub(super) fn key(name: &str, sample: &str) -> String {
    let svg = format!("<svg width=\"26\" height=\"14\" viewBox=\"0 0 26 14\" aria-hidden=\"true\">{sample}</svg>");
    format!("<span>{svg}{}</span>\n", escape(name))
}

/// A legend's entry for an area.
pub(super) fn swatch(name: &str, ink: Ink) -> String {
    key(name, &format!("<rect x=\"6\" width=\"14\" height=\"14\" fill=\"{}\"/>", ink.hex()))
}

/// A legend's entry for a dashed line.
pub(super) fn dashed(name: &str, ink: Ink) -> String {
    key(name, &format!("<path d=\"M0 7H26\" stroke=\"{}\" stroke-width=\"2\" stroke-dasharray=\"6 4\"/>", ink.hex()))
}

/// The legend of the tiers.
pub(super) fn tier_legend(tiers: &[usize]) -> String {
    tiers.iter().map(|&t| swatch(&format!("T{t}"), tier(t))).collect()
}

/// What was typed to make the page, in a form that a shell takes.
pub(crate) fn command_line() -> String {
    let words: Vec<_> = std::env::args_os().map(|word| quote(&word.to_string_lossy())).collect();
    words.join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_stays_text() {
        assert_eq!(escape("<b a=\"'\">&"), "&lt;b a=&quot;&#39;&quot;&gt;&amp;");
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote("--t1=64MiB"), "--t1=64MiB");
        assert_eq!(quote(""), "''");
    }
}
