use dalign_core::markers::Markers;
use proptest::prelude::*;

/// Markers of each family, by what the model cards and tokenizers of the families name.
const FAMILIES: [&str; 88] = [
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|eot_id|>",
    "<|header_start|>",
    "<|eot|>",
    "<|eom_id|>",
    "<|python_tag|>",
    "<|User|>",
    "<｜User｜>",
    "<｜begin▁of▁sentence｜>",
    "<｜tool▁calls▁begin｜>",
    "<|START_OF_TURN_TOKEN|>",
    "<|CHATBOT_TOKEN|>",
    "<BOS_TOKEN>",
    "<|start_of_role|>",
    "<|im_sep|>",
    "<|im_assistant|>",
    "<|im_user|>",
    "[gMASK]",
    "<sop>",
    "<|observation|>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CALLS]",
    "[AVAILABLE_TOOLS]",
    "[THINK]",
    "[/THINK]",
    "<|call|>",
    "<|constrain|>",
    "<|channel|>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "<think>",
    "</think>",
    "<bos>",
    "<eos>",
    "<s>",
    "</s>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<unused94>",
    "<|turn>",
    "<turn|>",
    "◁think▷",
    "◁/think▷",
    "[|assistant|]",
    "[|endofturn|]",
    "<seed:think>",
    "<extra_id_1>",
    "<SPECIAL_12>",
    "[UNUSED_TOKEN_145]",
    "]~b]",
    "<|\"|>",
    "<|0.00|>",
    "<|end of text|>",
    "<｜DSML｜function_calls>",
    "</｜DSML｜invoke>",
    "<｜DSML｜parameter name=\"x\" string=\"true\">",
    "<[begin▁of▁sentence]>",
    "<[fim-suffix]>",
    "<fim_prefix>",
    "<mask>",
    "<TOOLCALL>",
    "</AVAILABLE_TOOLS>",
    "<ctrl99>",
    "<file_sep>",
    "<image>",
    "<SYS>",
    "[ROBOT]",
    "[END_OF_TURN]",
    "<role>",
    "</role>",
    "‹用户>",
    "<用户>",
    "<AI>",
    "[USER]",
    "[BOT]",
    "<tool_sep>",
    "<endofturn>",
    "<eos_id>",
];

fn none() -> Markers {
    Markers::new::<&str>(&[]).unwrap()
}

#[test]
fn a_marker_of_any_family_is_text_again_and_nothing_around_it_changes() {
    let markers = none();
    for marker in FAMILIES {
        for (before, after) in [("", ""), ("a", "b"), ("<", ">"), ("[", "]"), ("é|", "|é")] {
            let text = format!("{before}{marker}{after}");
            let broken = markers.broken(&text);
            assert!(!broken.contains(marker), "{text:?} is {broken:?}");
            assert_eq!(broken.replace('\u{200b}', ""), text);
            assert_eq!(markers.first(&broken), None, "{broken:?}");
        }
    }
}

#[test]
fn ordinary_text_and_code_stay_as_they_are() {
    let markers = none();
    for text in [
        "<div class=\"a\"><b>bold</b></div>",
        "a[0] + b[i]",
        "[1, 2, 3]",
        "List<String>",
        "x < y && y > z",
        "Vec<Option<u32>>",
        "[END]",
        "[TODO] [WARNING]",
        "[a link](https://example.org)",
        "f <| x |> g",
        "f <|| (x, y) ||> g",
        "sizes[NUM_OF_ITEMS]",
        "[ONE_OF_THESE]",
        "<|>",
        "std::map<int, std::vector<int>>x",
        "a <b> c",
        "[x|y]",
        "<video>",
        "{% raw %}",
        "<user>",
        "3 <4> 5",
        "<>",
        "[]",
        "《think》",
        "m[KEY]",
        "<!-- a -->",
        "if (a<b|c>d)",
        "[YOUR NAME]",
        "<T, U>",
        "[[wiki]]",
        "<0>",
    ] {
        assert_eq!(markers.broken(text), text);
    }
}

#[test]
fn the_engines_own_tokens_are_broken_up_whatever_their_shape() {
    let markers = Markers::new(&["@@user", "user@", "|", "", "<|im_end|>", "é!"]).unwrap();
    assert_eq!(markers.broken("@@user@ é! |"), "@\u{200b}@u\u{200b}ser@ é\u{200b}! |");
    assert_eq!(markers.first("so é! it"), Some("é!"));
}

proptest! {
    #[test]
    fn what_is_broken_up_holds_no_marker_and_loses_nothing(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "<|", "|>", "<", ">", "[", "]", "/", "think", "im_end", "INST", "s", "_of_", "◁", "▷", "｜", " ", "é",
                "@@", "user", "|", "bos", "\u{200b}",
            ]),
            0..12,
        )
    ) {
        let markers = Markers::new(&["@@user"]).unwrap();
        let text = parts.concat();
        let broken = markers.broken(&text);
        prop_assert_eq!(markers.first(&broken), None, "{} is {}", text, broken);
        prop_assert_eq!(broken.replace('\u{200b}', ""), text.replace('\u{200b}', ""));
    }
}
