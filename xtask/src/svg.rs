//! Recorded screens as an SVG. Several of them are an animation that repeats.
//!
//! Each run of text has its place and its width, and blocks and braille are shapes, so that columns
//! are aligned whatever monospace font the renderer has. A line that does not change from
//! one screen to the next is written once.

use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

/// The size of a cell in pixels.
const CELL: (f64, f64) = (8.4, 17.0);
const MARGIN: f64 = 10.0;
const BACKGROUND: &str = "#111318";
const FOREGROUND: &str = "#d8dce4";
const PALETTE: [&str; 16] = [
    "#1b1e25", "#f2707c", "#86d68a", "#e6c95f", "#76a9f5", "#d18ef0", "#5fd0d6", "#d8dce4",
    "#8a909c", "#f2707c", "#86d68a", "#e6c95f", "#76a9f5", "#d18ef0", "#5fd0d6", "#ffffff",
];

/// The lines of a screen, each as SVG elements at the top of the picture.
pub type Lines = Vec<String>;

/// The visible lines of a screen.
pub fn lines(screen: &Screen) -> Lines {
    (0..screen.size().0.get()).map(|row| line(screen, row)).collect()
}

/// A line, moved to the right.
pub fn moved(line: &str, columns: u16) -> String {
    format!("<g transform=\"translate({:.1},0)\">{line}</g>", f64::from(columns) * CELL.0)
}

/// A picture of one screen, or an animation of several. Each screen is shown for `seconds`, the last
/// one for `last_seconds`; without animations, a renderer shows the last one.
pub fn picture(
    frames: &[Lines],
    (columns, rows): (u16, u16),
    seconds: f64,
    last_seconds: f64,
) -> String {
    let (width, height) =
        (f64::from(columns) * CELL.0 + 2.0 * MARGIN, f64::from(rows) * CELL.1 + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\">\n\
         <style>text{{font:14px 'DejaVu Sans Mono','SFMono-Regular',Consolas,Menlo,monospace;\
         white-space:pre}}.b{{font-weight:bold}}.d{{opacity:.62}}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{BACKGROUND}\"/>\n"
    );
    let total = seconds * frames.len().saturating_sub(1) as f64 + last_seconds;
    for row in 0..usize::from(rows) {
        let y = MARGIN + row as f64 * CELL.1;
        let _ = write!(svg, "<g transform=\"translate({MARGIN},{y:.0})\" fill=\"{FOREGROUND}\">");
        let of_row: Vec<&str> = frames.iter().map(|frame| frame[row].as_str()).collect();
        let mut from = 0;
        while from < of_row.len() {
            let same = of_row[from..].iter().take_while(|line| **line == of_row[from]).count();
            let to = from + same;
            let (begin, end) = (from as f64 * seconds / total, to as f64 * seconds / total);
            match (from == 0, to == of_row.len()) {
                _ if of_row[from].is_empty() => {}
                (true, true) => svg += of_row[from],
                (_, is_last) => {
                    let hidden = if is_last { "" } else { " visibility=\"hidden\"" };
                    let (values, times) = match (from == 0, is_last) {
                        (true, _) => ("visible;hidden", format!("0;{end:.4}")),
                        (_, true) => ("hidden;visible", format!("0;{begin:.4}")),
                        _ => ("hidden;visible;hidden", format!("0;{begin:.4};{end:.4}")),
                    };
                    let _ = write!(
                        svg,
                        "<g{hidden}><animate attributeName=\"visibility\" calcMode=\"discrete\" \
                         values=\"{values}\" keyTimes=\"{times}\" dur=\"{total:.2}s\" \
                         repeatCount=\"indefinite\"/>{}</g>",
                        of_row[from]
                    );
                }
            }
            from = to;
        }
        svg += "</g>\n";
    }
    let used = ('\u{2581}'..='\u{28ff}').filter(|character| {
        is_shape(*character) && svg.contains(&format!("\"#u{:x}\"", u32::from(*character)))
    });
    let shapes: String = used.map(shape).collect();
    format!("{svg}<defs>{shapes}</defs>\n</svg>\n")
}

/// The colors and weight of a cell.
#[derive(Clone, PartialEq)]
struct CellStyle {
    is_bold: bool,
    is_dim: bool,
    foreground: Option<String>,
    background: Option<String>,
}

impl CellStyle {
    fn of(cell: &Cell) -> CellStyle {
        let (foreground, background) = (color(cell.fgcolor()), color(cell.bgcolor()));
        let (foreground, background) = match cell.inverse() {
            true => (
                Some(background.unwrap_or_else(|| BACKGROUND.to_owned())),
                Some(foreground.unwrap_or_else(|| FOREGROUND.to_owned())),
            ),
            false => (foreground, background),
        };
        CellStyle { is_bold: cell.bold(), is_dim: cell.dim(), foreground, background }
    }
}

fn color(color: Color) -> Option<String> {
    match color {
        Color::Default => None,
        Color::Idx(index @ ..16) => Some(PALETTE[usize::from(index)].to_owned()),
        Color::Idx(index @ 16..232) => {
            let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
            let cube = index - 16;
            let [red, green, blue] = [cube / 36, cube / 6 % 6, cube % 6].map(level);
            Some(format!("#{red:02x}{green:02x}{blue:02x}"))
        }
        Color::Idx(index) => {
            let gray = 8 + 10 * (index - 232);
            Some(format!("#{gray:02x}{gray:02x}{gray:02x}"))
        }
        Color::Rgb(red, green, blue) => Some(format!("#{red:02x}{green:02x}{blue:02x}")),
    }
}

/// The elements of a line: the backgrounds, then the texts.
fn line(screen: &Screen, row: u16) -> String {
    let cells = (0..screen.size().1.get()).filter_map(|column| {
        let cell = screen.cell(row, column).filter(|cell| !cell.is_wide_continuation())?;
        let symbol = if cell.has_contents() { cell.contents().to_owned() } else { " ".to_owned() };
        Some((column, symbol, CellStyle::of(cell), if cell.is_wide() { 2 } else { 1 }))
    });
    let (mut backgrounds, mut texts) = (String::new(), String::new());
    let mut run: Option<Run> = None;
    for (column, symbol, style, width) in cells {
        match &mut run {
            Some(run) if run.style == style => {
                run.text += &symbol;
                run.columns += width;
            }
            _ => {
                if let Some(run) = run.take() {
                    run.write(&mut backgrounds, &mut texts);
                }
                run = Some(Run { column, columns: width, text: symbol, style });
            }
        }
    }
    if let Some(run) = run {
        run.write(&mut backgrounds, &mut texts);
    }
    backgrounds + &texts
}

/// Neighboring cells with the same style.
struct Run {
    column: u16,
    columns: u16,
    text: String,
    style: CellStyle,
}

impl Run {
    fn write(&self, backgrounds: &mut String, texts: &mut String) {
        let x = |columns: u16| f64::from(columns) * CELL.0;
        if let Some(background) = &self.style.background {
            let _ = write!(
                backgrounds,
                "<rect x=\"{:.1}\" width=\"{:.1}\" height=\"{}\" fill=\"{background}\"/>",
                x(self.column),
                x(self.columns),
                CELL.1
            );
        }
        let classes = match (self.style.is_bold, self.style.is_dim) {
            (true, true) => " class=\"b d\"",
            (true, false) => " class=\"b\"",
            (false, true) => " class=\"d\"",
            (false, false) => "",
        };
        let fill = self.style.foreground.as_ref();
        let fill = fill.map(|color| format!(" fill=\"{color}\"")).unwrap_or_default();
        let mut shapes = String::new();
        let mut words = String::new();
        let mut column = f64::from(self.column);
        for character in self.text.chars() {
            let wide = width(character.encode_utf8(&mut [0; 4]));
            if is_shape(character) {
                let code = u32::from(character);
                let _ = write!(shapes, "<use href=\"#u{code:x}\" x=\"{:.1}\"/>", column * CELL.0);
                words.extend(std::iter::repeat_n(' ', wide as usize));
            } else {
                words.push(character);
            }
            column += wide;
        }
        if !shapes.is_empty() {
            let _ = write!(texts, "<g{classes}{fill}>{shapes}</g>");
        }
        // Words with several spaces between them are positioned separately.
        let mut column = f64::from(self.column);
        for part in words.split("  ") {
            let text = part.trim_end();
            let indent = text.len() - text.trim_start().len();
            let (text, wide) = (text.trim_start(), width(part));
            if !text.is_empty() {
                let place = place(text, column + indent as f64);
                let text = escape(text);
                let _ = write!(texts, "<text {place} y=\"13\"{classes}{fill}>{text}</text>");
            }
            column += wide + 2.0;
        }
    }
}

/// Whether the character is drawn as a shape: braille and blocks. Renderers often take them from another
/// font, whose characters have another width.
fn is_shape(character: char) -> bool {
    matches!(character, '\u{2581}'..='\u{2593}' | '\u{2801}'..='\u{28ff}')
}

/// The definition of a character that is drawn as a shape.
fn shape(character: char) -> String {
    let code = u32::from(character);
    let rect = |x: f64, y: f64, width: f64, height: f64| {
        format!("M{x:.1} {y:.1}h{width:.1}v{height:.1}h-{width:.1}z")
    };
    let (path, opacity) = match code {
        0x2581..=0x2588 => {
            let height = CELL.1 * f64::from(code - 0x2580) / 8.0;
            (rect(0.0, CELL.1 - height, CELL.0, height), 1.0)
        }
        0x2589..=0x2590 => {
            let share = if code == 0x2590 { 4 } else { 0x2590 - code };
            let wide = CELL.0 * f64::from(share) / 8.0;
            let x = if code == 0x2590 { CELL.0 - wide } else { 0.0 };
            (rect(x, 0.0, wide, CELL.1), 1.0)
        }
        0x2591..=0x2593 => (rect(0.0, 0.0, CELL.0, CELL.1), f64::from(code - 0x2590) * 0.25),
        _ => {
            // The dots of a character: two columns of four, in the order of the bits.
            let places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
            let dots = (0..8).filter(|bit| code >> bit & 1 == 1).map(|bit| places[bit]);
            let path = dots.map(|(x, y)| {
                let (x, y) = (f64::from(x) * 4.2 + 0.9, f64::from(y) * 4.25 + 0.9);
                rect(x, y, 2.6, 2.6)
            });
            (path.collect(), 1.0)
        }
    };
    let opacity = if opacity < 1.0 { format!(" opacity=\"{opacity}\"") } else { String::new() };
    format!("<path id=\"u{code:x}\" d=\"{path}\"{opacity}/>")
}

/// The attributes that place a text.
fn place(text: &str, column: f64) -> String {
    let (x, wide) = (column * CELL.0, width(text) * CELL.0);
    format!("x=\"{x:.1}\" textLength=\"{wide:.1}\" lengthAdjust=\"spacingAndGlyphs\"")
}

fn width(text: &str) -> f64 {
    unicode_width::UnicodeWidthStr::width(text) as f64
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(text: &str) -> Lines {
        let size = |n: u16| n.try_into().expect("it is not 0");
        let mut parser = vt100::Parser::new(size(2), size(20), 0);
        parser.process(text.as_bytes());
        lines(parser.screen())
    }

    #[test]
    fn runs_have_their_place_and_width() {
        let lines = screen("\x1b[1mab\x1b[0m  <c>   d\r\n⣿x");
        let at = |column: f64| format!("x=\"{:.1}\"", column * CELL.0);
        assert!(lines[0].contains("class=\"b\">ab</text>"), "{}", lines[0]);
        assert!(
            lines[0].contains(&at(4.0)) && lines[0].contains(">&lt;c&gt;</text>"),
            "{}",
            lines[0]
        );
        assert!(lines[0].contains(&at(10.0)), "{}", lines[0]);
        assert!(lines[1].contains("<use href=\"#u28ff\" x=\"0.0\"/>"), "{}", lines[1]);
    }

    #[test]
    fn line_that_stays_is_written_once_and_the_last_screen_is_visible() {
        let svg = picture(&[screen("one\r\nsame"), screen("two\r\nsame")], (20, 2), 0.5, 1.5);
        assert_eq!([">same<", ">one<", ">two<"].map(|text| svg.matches(text).count()), [1; 3]);
        assert!(svg.contains("<g visibility=\"hidden\"><animate"), "{svg}");
        assert!(svg.contains("keyTimes=\"0;0.2500\" dur=\"2.00s\""), "{svg}");
    }
}
