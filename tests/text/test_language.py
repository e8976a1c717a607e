"""The language of a table of texts is told by its script or its commonest words, and not told where it is in doubt."""

import pytest

from textclf.text.language import guess_language

SAMPLES = {
    "English": "the food was good but the service in this place is not what you would have for that price",
    "German": "das Essen war gut und die Bedienung ist nicht so schlecht mit dem Preis",
    "French": "la nourriture est bonne et le service dans ce restaurant n'est pas mal pour les gens",
    "Spanish": "la comida es buena y el servicio en este lugar no está mal para los que se van con una idea de todo",
    "Portuguese": "a comida não é boa e o serviço em um lugar que se vê com uma pessoa do outro lado da rua",
    "Italian": "il cibo non è buono e la cucina di questo posto per una sera le sono",
    "Dutch": "het eten was niet goed en de bediening is ook maar zo zo dat met een van mij op",
    "Swedish": "maten var inte bra och det är en plats som jag har varit på för att äta med en vän till mig om kvällen",
    "Polish": "jedzenie nie było dobre i to jest miejsce na które się nie idzie z rodziną, ale za to jak tak do tego",
    "Turkish": "yemek çok kötü ve bu yer için bir daha gelmem ama ben de o kadar para verdim, daha iyi değil mi gibi",
    "Russian": "еда не очень и я не думаю что это место в котором он по вечерам с друзьями как на работе но так",
    "Ukrainian": "їжа не дуже і я не думаю що це місце в якому є щось до вечора з друзями як на роботі але та",
    "Arabic": "الطعام في هذا المكان لا بأس به من كل شيء و كان مع ذلك على ما يرام إلى أن هو في",
    "Chinese": "这家餐厅的菜很好吃,服务也不错,下次还会再来",
    "Japanese": "この店の料理はとても美味しかったです。また来ます",
    "Korean": "음식이 정말 맛있었고 직원들도 친절했어요",
    "Greek": "το φαγητό ήταν πολύ καλό και η εξυπηρέτηση",
}


@pytest.mark.parametrize("language", SAMPLES)
def test_a_language_is_known_by_its_script_or_its_commonest_words(language):
    assert guess_language([SAMPLES[language]] * 5) == language


@pytest.mark.parametrize("texts", [[], [""], ["the and of"], ["qwx zzv 12 !"] * 50, ["og det er en jeg på ikke"] * 20])
def test_a_language_in_doubt_is_not_told(texts):
    assert guess_language(texts) is None


def test_names_among_the_texts_do_not_make_another_language():
    assert guess_language([SAMPLES["English"], "Ресторан «Пушкин»", "東京"] * 4) == "English"
