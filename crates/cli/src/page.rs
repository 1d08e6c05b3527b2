//! Pages that need nothing else: one file, no outside resources, light and dark.

/// What all pages look like. Colours are told apart by those who don't see red and green.
const STYLE: &str = ":root { color-scheme: light dark; --ink: #333; --paper: #fff; --pale: #ddd; --bad: #c0392b; \
--good: #228833; --a: #2c6fbb; --b: #c2630c; --soft: #f4f6f8 } \
@media (prefers-color-scheme: dark) { :root { --ink: #ddd; --paper: #16181d; --pale: #363b44; \
--bad: #ff8373; --good: #56c271; --a: #7db7ff; --b: #ffb066; --soft: #1e2128 } } \
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1140px; \
margin: 2em auto; padding: 0 1em } h1 { font-size: 1.4em } h2 { font-size: 1.15em; margin-top: 1.8em } \
svg { max-width: 100%; height: auto; vertical-align: middle } \
table { border-collapse: collapse; font-size: 13px } \
td, th { padding: 2px 12px 2px 0; text-align: right; font-variant-numeric: tabular-nums } \
td:first-child, th:first-child { text-align: left }";

/// Returns the page; `title` is escaped here, `body` is HTML.
pub(crate) fn whole(title: &str, style: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE} {style}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{body}</body>\n</html>\n"
    )
}

/// Makes a text fit for HTML; what would not be seen is left out.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            character if character.is_control() && !"\n\t".contains(character) => {}
            character => escaped.push(character),
        }
    }
    escaped
}

/// What pages about models look like beside.
pub(crate) const MODEL_STYLE: &str = ".cards { display: flex; flex-wrap: wrap; gap: 10px; margin: 1em 0 } \
.card { background: var(--soft); border-radius: 6px; padding: 8px 16px; min-width: 92px } \
.card b { display: block; font-size: 1.5em; font-variant-numeric: tabular-nums } .card span { font-size: 13px } \
.charts { display: flex; flex-wrap: wrap; gap: 24px } figure { margin: 0 } figcaption { font-weight: 600 } \
.note { font-size: 13px } .wide { overflow-x: auto } .left td, .left th { text-align: left } \
table { margin-bottom: 14px } td.text { text-align: left; max-width: 520px; overflow-wrap: anywhere } \
tr.line td { border-top: 1px solid var(--pale) } \
.shares { display: flex; height: 16px; border-radius: 4px; overflow: hidden; max-width: 720px } \
.legend span { margin-right: 18px } .legend i { display: inline-block; width: 10px; height: 10px; margin-right: 6px } \
.warning { border-left: 3px solid var(--b); background: var(--soft); padding: 6px 12px } .bar { display: inline-block; height: 11px; vertical-align: middle }";

/// A measure with its name, and a word about it.
pub(crate) fn card(name: &str, value: &str, word: &str) -> String {
    format!(
        "<div class=\"card\"><span>{}</span><b>{}</b><span>{}</span></div>\n",
        escape(name),
        escape(value),
        escape(word)
    )
}

/// A number as tables and cards show it.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size == 0.0 || (0.1..10.0).contains(&size) => format!("{value:.3}"),
        size if (10.0..1e6).contains(&size) => format!("{value:.1}"),
        size if (1e-3..0.1).contains(&size) => format!("{value:.4}"),
        _ => format!("{value:.2e}"),
    }
}
