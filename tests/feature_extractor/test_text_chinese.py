"""Ordinary Mandarin sentences and how they are said."""

from __future__ import annotations

import pytest

from feature_extractor.text import analyse, symbol_table
from feature_extractor.text.zh.front_end import read_chinese
from feature_extractor.text.zh.normalise import normalise
from feature_extractor.text.zh.numbers import cardinal
from feature_extractor.text.zh.syllables import syllable_phones

SPOKEN = [
    ("今天是2024年1月15日。", "今天是二零二四年一月十五日."),
    ("2020-08-15开会", "二零二零年八月十五日开会"),
    ("1990年代，90年代", "一九九零年代,九十年代"),
    ("下午3:45，8:05，2:30", "下午三点四十五分,八点零五分,两点半"),
    ("20:30-21:00", "二十点半到二十一点"),
    ("比分是3:2", "比分是三比二"),
    ("￥128.50", "一百二十八点五元"),
    ("$3.5万", "三点五万美元"),
    ("打8.5折，优惠15%", "打八点五折,优惠百分之十五"),
    ("-3.5℃到12℃", "零下三点五摄氏度到十二摄氏度"),
    ("1/3的人", "三分之一的人"),
    ("1-2个，10-20岁", "一到两个,十到二十岁"),
    ("2个，2次，22号，2月2日，2000元，200个", "两个,两次,二十二号,二月二日,两千元,二百个"),
    ("1,234,567.89元", "一百二十三万四千五百六十七点八九元"),
    ("有1024个", "有一千零二十四个"),
    ("编号1024", "编号幺零二四"),
    ("电话13800138000", "电话幺三八,零零幺三,八零零零"),
    ("座机010-12345678", "座机零幺零,幺二三四五六七八"),
    ("5×3=15，5-3=2", "五乘三等于十五,五减三等于二"),
    ("10^8", "十的八次方"),
    ("版本1.2.3", "版本一点二点三"),
    ("180cm，75kg，120km/h", "一百八十厘米,七十五千克,一百二十公里每小时"),
    ("5元/斤", "五元每斤"),
    ("第１２章，①②③", "第十二章,一二三"),
    ("繁體字測試：這個國家", "繁体字测试,这个国家"),
    ("好吧……啊——但是", "好吧…啊,但是"),
    ("史蒂夫·乔布斯（1955-2011）", "史蒂夫乔布斯,一九五五到二零一一,"),
    ("3.5万~5万元", "三点五万到五万元"),
]

PINYIN = [
    ("银行行长在行走。", "yin2 hang2 hang2 zhang3 zai4 xing2 zou3 ."),
    ("他长得很像他父亲。", "ta1 zhang3 de5 hen3 xiang4 ta1 fu4 qin5 ."),
    ("长江很长。", "chang2 jiang1 hen3 chang2 ."),
    ("重庆的重点重新开始。", "chong2 qing4 de5 zhong4 dian3 chong2 xin1 kai1 shi3 ."),
    ("我要去还书，还有时间。", "wo3 yao4 qu4 huan2 shu1 , hai2 you3 shi2 jian1 ."),
    ("你跑得快，我得走了。", "ni2 pao3 de5 kuai4 , wo3 dei2 zou3 le5 ."),
    ("高兴地说，地上有地图。", "gao1 xing4 de5 shuo1 , di4 shang5 you3 di4 tu2 ."),
    ("一只猫只吃鱼。", "yi4 zhi1 mao1 zhi3 chi1 yu2 ."),
    ("第三行太长。", "di4 san1 hang2 tai4 chang2 ."),
    ("农民种了树，这种花。", "nong2 min2 zhong4 le5 shu4 , zhe4 zhong3 hua1 ."),
    ("我教你。", "wo3 jiao1 ni3 ."),
    ("为什么？为了他。", "wei4 shen2 me5 ? wei4 le5 ta1 ."),
    ("朝阳区的朝阳。", "chao2 yang2 qu1 de5 zhao1 yang2 ."),
    ("音乐和快乐。", "yin1 yue4 he2 kuai4 le4 ."),
    ("参差不齐。", "cen1 ci1 bu4 qi2 ."),
    ("睡觉，觉得。", "shui4 jiao4 , jue2 de5 ."),
    ("他数了钱，数学。", "ta1 shu3 le5 qian2 , shu4 xue2 ."),
    ("摔倒了，倒水。", "shuai1 dao3 le5 , dao4 shui3 ."),
    ("不是，不对，不好。", "bu2 shi4 , bu2 dui4 , bu4 hao3 ."),
    ("看不看，看一看。", "kan4 bu5 kan4 , kan4 yi5 kan4 ."),
    ("一个，一起，一样，第一。", "yi2 ge5 , yi4 qi3 , yi2 yang4 , di4 yi1 ."),
    ("一百八十，十一天，一点五倍。", "yi4 bai3 ba1 shi2 , shi2 yi1 tian1 , yi1 dian2 wu3 bei4 ."),
    ("一九八四年一月。", "yi1 jiu3 ba1 si4 nian2 yi1 yue4 ."),
    ("老虎和小老虎。", "lao2 hu3 he2 xiao3 lao2 hu3 ."),
    ("我很好。", "wo3 hen2 hao3 ."),
    ("你好，水果。", "ni2 hao3 , shui2 guo3 ."),
    ("买雨伞给李厂长。", "mai3 yu2 san3 gei2 li3 chang2 zhang3 ."),
    ("妈妈爸爸都来了。", "ma1 ma5 ba4 ba5 dou1 lai2 le5 ."),
    ("桌子上的东西是谁的？", "zhuo1 zi5 shang5 de5 dong1 xi5 shi4 shei2 de5 ?"),
    ("朋友，先生，我们，头发。", "peng2 you5 , xian1 sheng5 , wo3 men5 , tou2 fa5 ."),
    ("以上，上面，出去，回来。", "yi3 shang4 , shang4 mian4 , chu1 qu5 , hui2 lai5 ."),
    ("目的，取得，土地。", "mu4 di4 , qu3 de2 , tu3 di4 ."),
    ("女儿玩儿花儿。", "nv3 er2 wan2 er2 hua1 er2 ."),
    ("绿色的女旅客。", "lv4 se4 de5 nv2 lv3 ke4 ."),
    ("这是什么地方？", "zhe4 shi4 shen2 me5 di4 fang5 ?"),
    ("空调很便宜。", "kong1 tiao2 hen3 pian2 yi5 ."),
    ("调查角色的角度。", "diao4 cha2 jue2 se4 de5 jiao3 du4 ."),
    ("他放假了，请假。", "ta1 fang4 jia4 le5 , qing3 jia4 ."),
    ("血液流血。", "xue4 ye4 liu2 xue4 ."),
    ("着急，睡着，看着。", "zhao2 ji2 , shui4 zhao2 , kan4 zhe5 ."),
    ("九磅，成为，认为。", "jiu3 bang4 , cheng2 wei2 , ren4 wei2 ."),
    ("嗯，哦。", "en1 , o5 ."),
]


def phones_of(pinyin: str) -> list[str]:
    return [p for s in pinyin.split() for p in (syllable_phones(s) if len(s) > 1 else [s])]


@pytest.mark.parametrize(("text", "spoken"), SPOKEN)
def test_spoken_words(text: str, spoken: str) -> None:
    assert normalise(text) == spoken


@pytest.mark.parametrize(("text", "pinyin"), PINYIN)
def test_phones(text: str, pinyin: str) -> None:
    reading = read_chinese(text, "v2", compat=False)
    assert " ".join(reading.phones) == " ".join(phones_of(pinyin))
    assert reading.word2ph is not None
    assert len(reading.word2ph) == len(reading.normalised)
    assert sum(reading.word2ph) == len(reading.phones)


@pytest.mark.parametrize(
    ("syllable", "phones"),
    [
        ("zhi1", ("zh", "ir1")),
        ("zi4", ("z", "i04")),
        ("ju2", ("j", "v2")),
        ("yuan2", ("y", "van2")),
        ("yan3", ("y", "En3")),
        ("ye4", ("y", "E4")),
        ("xiong2", ("x", "iong2")),
        ("er4", ("EE", "er4")),
        ("an1", ("AA", "an1")),
        ("ou3", ("OO", "ou3")),
        ("lve4", ("l", "ve4")),
        ("wen2", ("w", "en2")),
        ("liu4", ("l", "iu4")),
    ],
)
def test_syllables(syllable: str, phones: tuple[str, str]) -> None:
    assert syllable_phones(syllable) == phones


def test_every_syllable_of_the_dictionary_is_in_both_tables() -> None:
    from pypinyin.constants import PINYIN_DICT
    from pypinyin.contrib.tone_convert import to_tone3

    usual = [PINYIN_DICT[ord(c)].split(",")[0] for c in map(chr, range(0x4E00, 0x9FA6)) if ord(c) in PINYIN_DICT]
    table = set(symbol_table("v1"))
    for syllable in {to_tone3(s, neutral_tone_with_five=True).replace("ü", "v") for s in usual}:
        missing = set(syllable_phones(syllable)) - table
        assert not missing or syllable[:-1] in {"kei", "fiao", "cei", "dia", "rua", "nun"}, (syllable, missing)


@pytest.mark.parametrize(
    ("digits", "words"),
    [
        ("0", "零"),
        ("12", "十二"),
        ("1005", "一千零五"),
        ("1050", "一千零五十"),
        ("100000000", "一亿"),
        ("10203", "一万零二百零三"),
    ],
)
def test_cardinals(digits: str, words: str) -> None:
    assert cardinal(digits) == words


def test_english_inside_chinese_is_read_as_english() -> None:
    text = "我在用ChatGPT写代码，身高180cm。"
    result = analyse(text, "zh")
    assert [(s.language, text[s.start : s.end]) for s in result.segments] == [
        ("zh", "我在用"),
        ("en", "ChatGPT"),
        ("zh", "写代码，身高180cm。"),
    ]
    assert result.word2ph is None
    assert "CH AE1 T JH IY1 P IY1 T IY1 x ie3" in " ".join(result.phones)


def test_no_cache_file_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    import tempfile
    from pathlib import Path

    from feature_extractor.text.zh.segment import Segmenter

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert [word.text for word in Segmenter().words("银行行长在行走")] == ["银行行长", "在", "行走"]
    assert list(Path(str(tmp_path)).iterdir()) == []
