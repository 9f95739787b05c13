//! Parts of sentences that several pages have.

use maud::{Markup, html};

use super::numbers;
use crate::function::Info;
use crate::task::TaskState;

/// What a task does, with a sign that tells it without a colour.
pub fn state(state: TaskState) -> Markup {
    let (sign, class) = match state {
        TaskState::PassesThrough => ("▲", "state bad"),
        TaskState::WaitsForPlugin | TaskState::WaitsForKapacitor => ("◆", "state warn"),
        TaskState::Runs => ("●", "state good"),
        TaskState::Ended => ("○", "state off"),
    };
    html! { span class=(class) { span.sign aria-hidden="true" { (sign) } " " (state_text(state)) } }
}

/// The same in words only.
pub fn state_text(state: TaskState) -> &'static str {
    match state {
        TaskState::PassesThrough => "passes through",
        TaskState::WaitsForPlugin => "waits for plugin",
        TaskState::WaitsForKapacitor => "waits for Kapacitor",
        TaskState::Runs => "runs",
        TaskState::Ended => "ended",
    }
}

/// What is right or wrong, with a sign that tells it without a colour.
pub fn verdict(good: bool, text: &str) -> Markup {
    let (sign, class) = if good { ("●", "state good") } else { ("▲", "state bad") };
    html! { span class=(class) { span.sign aria-hidden="true" { (sign) } " " (numbers::visible(text)) } }
}

/// Text from outside, with what would not be seen made visible.
pub fn text(text: &str) -> Markup {
    html! { (numbers::visible(text)) }
}

/// A name, or a sign that it is empty.
pub fn name(text: &str) -> Markup {
    html! { @if text.is_empty() { span.muted { "(empty)" } } @else { (numbers::visible(text)) } }
}

/// A point in time, with how long ago it was.
pub fn time(now: f64, then: f64) -> Markup {
    let at = numbers::rfc3339(then);
    html! { time datetime=(at) title=(at) { (numbers::ago(now, then)) } }
}

/// The first digits of a SHA-256, as the log has them; all of them when the pointer rests on it.
pub fn hash(sha256: &str) -> Markup {
    let sha256 = numbers::visible(sha256);
    let short: String = sha256.chars().take(8).collect();
    html! { @if short.is_empty() { "—" } @else { code title={ "SHA-256 " (sha256) } { (short) } } }
}

/// Edges and options.
pub fn info(info: &Info) -> Markup {
    html! {
        span.edges { (text(&info.wants)) " → " (text(&info.provides)) }
        @if !info.options.is_empty() {
            " " span.muted {
                @for (i, (name, option)) in info.options.iter().enumerate() {
                    @if i > 0 { ", " }
                    (numbers::visible(name)) "(" (text(&option.types.join(", "))) ")"
                }
            }
        }
    }
}
