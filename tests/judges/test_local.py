"""A judge on a local model: a small real causal LM, made on the spot."""

from __future__ import annotations

import pytest

from cpbench.chat import load_chat
from cpbench.judges import load_judge, prompt_text

WORDS = ["<pad>", "</s>", "<unk>", "0", "1", "2", "3", "4", "5", "sad", "Reply", "with", "one", "number"]


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """A random Llama with a vocabulary of fourteen words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("llama")
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=4096,
        pad_token_id=0,
        eos_token_id=1,
        initializer_range=0.5,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def test_the_expected_score_is_the_models_own_mean_over_the_scale(llama, case, tmp_path):
    (tmp_path / "judge.yaml").write_text(f"members: [{{model: hf/{llama}}}]\nscore_mode: expected\n")
    judge = load_judge(str(tmp_path / "judge.yaml"), {"device": "cpu"})
    judged = {j.item_id: j for j in judge.judge(case(answer, n) for n, answer in enumerate(["sad", "number one"]))}
    chat = load_chat(f"hf/{llama}", {"device": "cpu"})
    for n, answer in enumerate(["sad", "number one"]):
        (reply,) = chat.ask(judge.requests_for(case(answer, n)))
        assert judged[str(n)].status == "ok"
        assert judged[str(n)].score == pytest.approx(20 * reply.expected)
        assert judged[str(n)].calls[0].params_sent["choices"] == ["0", "1", "2", "3", "4", "5"]
    assert not judge.third_party


def test_a_model_that_writes_no_json_gets_no_score(llama, case, tmp_path):
    """It says only words of its vocabulary, numbers of the scale among them."""
    judge = load_judge(f"hf/{llama}", {"device": "cpu", "max_tokens": "12"}, prompt="cpqa-plain")
    (judgement,) = judge.judge([case("sad")])
    assert judgement.status in ("parse_error", "truncated")
    assert judgement.score is None
    assert judgement.calls[0].usage["input_tokens"] > len(prompt_text("cpqa-plain").split()) / 2
