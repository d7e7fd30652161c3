//! Mouse reports, in the three encodings that terminals use.

use crossterm::event::{Event, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

/// `ESC [ < button ; column ; row M`, or `m` for a button that was released.
pub(super) fn from_sgr(numbers: &[u16], last: u8) -> Option<Event> {
    let &[button, column, row] = numbers else { return None };
    let event = report(button, column, row)?;
    match (last, event.kind) {
        (b'M', _) => Some(Event::Mouse(event)),
        (b'm', MouseEventKind::Down(button)) => {
            Some(Event::Mouse(MouseEvent { kind: MouseEventKind::Up(button), ..event }))
        }
        _ => None,
    }
}

/// `ESC [ button ; column ; row M`.
pub(super) fn from_numbers(numbers: &[u16]) -> Option<Event> {
    let &[button, column, row] = numbers else { return None };
    report(button.checked_sub(32)?, column, row).map(Event::Mouse)
}

/// `ESC [ M button column row`, each a byte.
pub(super) fn from_bytes(button: u8, column: u8, row: u8) -> Option<Event> {
    let number = |byte: u8| u16::from(byte.saturating_sub(32));
    report(number(button), number(column), number(row)).map(Event::Mouse)
}

fn report(bits: u16, column: u16, row: u16) -> Option<MouseEvent> {
    const DRAGGED: u16 = 32;
    let button = match bits & 3 {
        0 => Some(MouseButton::Left),
        1 => Some(MouseButton::Middle),
        2 => Some(MouseButton::Right),
        _ => None,
    };
    let kind = match (bits & !0b1_1111, button) {
        (0, Some(button)) => MouseEventKind::Down(button),
        // The older encodings do not report which button was released.
        (0, None) => MouseEventKind::Up(MouseButton::Left),
        (DRAGGED, Some(button)) => MouseEventKind::Drag(button),
        (DRAGGED, None) => MouseEventKind::Moved,
        (64, _) => match bits & 3 {
            0 => MouseEventKind::ScrollUp,
            1 => MouseEventKind::ScrollDown,
            2 => MouseEventKind::ScrollLeft,
            _ => MouseEventKind::ScrollRight,
        },
        _ => return None,
    };
    let mut modifiers = KeyModifiers::NONE;
    modifiers.set(KeyModifiers::SHIFT, bits & 4 != 0);
    modifiers.set(KeyModifiers::ALT, bits & 8 != 0);
    modifiers.set(KeyModifiers::CONTROL, bits & 16 != 0);
    let (column, row) = (column.saturating_sub(1), row.saturating_sub(1));
    Some(MouseEvent { kind, column, row, modifiers })
}
