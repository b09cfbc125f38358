//! Writes a page. Texts and attributes are escaped here and nowhere else; only texts of the program itself go in as
//! they are.

use crate::domain::text::escape;

/// A page as it grows.
#[derive(Debug, Default)]
pub struct Html {
    text: String,
}

/// Names and values; the names are the program's own.
pub type Attributes<'a> = &'a [(&'static str, &'a str)];

impl Html {
    pub fn finish(self) -> String {
        self.text
    }

    /// Something of the program itself: its style sheet, the document's type.
    pub fn verbatim(&mut self, own: &'static str) {
        self.text.push_str(own);
    }

    /// An element and what is in it.
    pub fn element(&mut self, tag: &'static str, attributes: Attributes<'_>, inside: impl FnOnce(&mut Self)) {
        self.open(tag, attributes);
        inside(self);
        self.text.push_str("</");
        self.text.push_str(tag);
        self.text.push('>');
    }

    /// An element with nothing but a text in it.
    pub fn leaf(&mut self, tag: &'static str, attributes: Attributes<'_>, text: &str) {
        self.element(tag, attributes, |html| html.text(text));
    }

    /// The beginning of an element; for those that have no end.
    pub fn open(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.text.push('<');
        self.text.push_str(tag);
        for (name, value) in attributes {
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.text(value);
            self.text.push('"');
        }
        self.text.push('>');
    }

    /// Any text, shown as it is: markup does nothing, what would steer the reader's eye is written out.
    pub fn text(&mut self, text: &str) {
        for c in escape(text).chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\'' => self.text.push_str("&#39;"),
                c => self.text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        let mut html = Html::default();
        let hostile = "</b><script>alert('x')</script>\" onload=\"&\u{202e}\u{0}";
        html.leaf("b", &[("title", hostile)], hostile);
        let escaped =
            "&lt;/b&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot; onload=&quot;&amp;\\u{202e}\\u{0}";
        assert_eq!(html.finish(), format!("<b title=\"{escaped}\">{escaped}</b>"));
    }
}
