"""The words that answers and class names turn on, by language: yes and no, negations, leftovers, good and bad. Plain data, folded.

To add a language, add its words to the sets below; nothing else has to change.
"""

from __future__ import annotations

from sn_viz.baselines.answers.fold import fold


def _words(text: str) -> frozenset[str]:
    return frozenset(fold(word) for word in text.split())


YES = _words(
    "sí sì áno taip jah yes yeah yep yup true correct affirmative indeed certainly definitely absolutely "
    "oui vrai si sim verdadeiro verdadero vero ja jawohl wahr richtig sand sant да верно так ano igen kyllä evet tak da ναι "
    "نعم כן हाँ हां vâng có ya jes 네 예"
)
NO = _words(
    "no nope nah false incorrect none nothing οχι "
    "non faux falso nein falsch nee nej nei нет неверно ні ni nie ne nem ei hayır όχι لا לא नहीं không tidak bukan não nao "
    "아니요 아니오 아뇨"
)
YES_NAMES = YES | _words(
    "t + positive "
    "present 1 presente présent présente positif positivo vorhanden положительный y with mit avec con com с есть 있음 있다"
)
NO_NAMES = NO | _words(
    "f - negative absent none 0 ausente absente négatif negativo abwesend отрицательный n nothing keine nada rien ничего "
    "without ohne sans sin senza sem без 없음 없다"
)
"""What classes may be called besides: as a name "present" is a yes, in a sentence it need not be."""
AMBIGUOUS = _words("none nothing si da tak ano ya ei ne ni ja có y n no certainly definitely absolutely indeed так jes sand 네 예")
"""Words that mean something else inside a sentence: "Da ist ein Hund", "tak for det", "no dog". They count alone in a clause."""

UNSPACED_YES = (
    "是的",
    "对的",
    "對的",
    "有的",
    "存在",
    "没错",
    "沒錯",
    "はい",
    "そうです",
    "是",
    "对",
    "對",
    "有",
    "ええ",
    "うん",
    "ใช่",
    "มี",
    "네",
    "예",
    "맞",
)
UNSPACED_NO = (
    *(
        "不是",
        "没有",
        "沒有",
        "不对",
        "不對",
        "不存在",
        "違う",
        "ちがう",
        "いいえ",
        "いえ",
        "違います",
        "ไม่ใช่",
        "ไม่มี",
        "아니요",
        "아니오",
        "아뇨",
        "아니",
    ),
    *("否", "不", "没", "沒", "无", "無", "非", "ไม่", "없"),
)
"""Longest first within either sense; "不是" must not be read as its "是"."""

NEGATORS = _words(
    "no not never without cannot cant neither nor none nothing hardly lacks lacking lack lacked "
    "isnt arent wasnt werent dont doesnt didnt cant couldnt wouldnt wont hasnt havent hadnt aint shouldnt "
    "non sans pas aucun aucune jamais ni kein keine keinen keinem keiner keines nicht ohne nie niemals "
    "sin ningún ninguna ninguno ningun nunca sem não nao nenhum nenhuma senza nessun nessuno nessuna mai "
    "geen niet zonder ingen inget inte ikke utan uden uten не нет без ни нету немає nie bez brak není nincs nem "
    "لا değil yok δεν χωρίς بدون ليس ليست ليسوا לא בלי אין नहीं बिना không tidak bukan tanpa ei ilman fara"
)
NEGATED_CONTRACTION = ("n't",)
BEHIND = (
    "ではない",
    "じゃない",
    "ではありません",
    "じゃありません",
    "がいない",
    "はいない",
    "がいません",
    "はいません",
    "がない",
    "はない",
)
BEHIND = (
    *BEHIND,
    *("不在", "不见", "不存在", "没有出现"),
    "がありません",
    "はありません",
    "いない",
    "いません",
    "ません",
    "なし",
    "無し",
    "없",
    "아니",
    "아닙",
    "안 보",
    "못 ",
)
"""Negations that follow what they negate."""
BEFORE = (
    "不是",
    "没有",
    "沒有",
    "并非",
    "看不到",
    "看不见",
    "没",
    "沒",
    "无",
    "無",
    "非",
    "不",
    "ไม่ใช่",
    "ไม่มี",
    "ไม่เห็น",
    "ไม่พบ",
    "ไม่",
    "안",
    "비",
)
"""Negations that stand before what they negate, in scripts without spaces."""

SEPARATING = _words(
    "but however instead rather though although while whereas yet aber sondern jedoch mais pero sino mas però ma bensi но а "
    "maar men ale"
)
"""After these a negation no longer holds."""
NOT_NEGATING = (
    ("not", "only"),
    ("not", "just"),
    ("not", "merely"),
    ("no", "problem"),
    ("nicht", "nur"),
    ("no", "solo"),
    ("pas", "seulement"),
)
CERTAIN = (
    r"\b(?:(?:no|without|beyond)(?: an?| any)? (?:doubts?|questions?)(?: about it)?|"
    r"ohne zweifel|zweifellos|sans (?:aucun )?doute|sin duda)\b,?"
)
"""Phrases with a negation that say how sure the speaker is; they are left out."""
UNSURE = (
    *(
        "not sure",
        "unsure",
        "no idea",
        "cannot tell",
        "can't tell",
        "cant tell",
        "cannot determine",
        "can't determine",
        "don't know",
    ),
    *(
        "do not know",
        "cannot say",
        "can't say",
        "not clear",
        "unclear",
        "uncertain",
        "hard to tell",
        "impossible to tell",
        "not certain",
    ),
    *(
        "not possible to",
        "cannot be determined",
        "i'm sorry",
        "i am sorry",
        "unable to",
        "weiß nicht",
        "ne sais pas",
        "no sé",
        "не знаю",
    ),
    *("不知道", "不确定", "看不清", "无法", "無法", "分かりません", "わかりません", "모르"),
)
"""A clause with one of these says nothing of a class, whatever it names."""
SEEN = _words(
    "visible present there here seen shown depicted found in on at the this that picture image photo photograph scene it "
    "any anywhere là ici visibles aquí ahí allí qui qua lì là aqui ali där her här der er тут здесь там tu tam hier daar "
    "sichtbar da hier zu sehen im bild visible présent présente dans sur l image visible presente en la imagen nella immagine "
    "видно на картинке изображении zichtbaar in de afbeelding detected all"
)
"""What may follow a negation that speaks of what stood before it: "The dog is not visible"."""
GONE = _words("absent missing gone lacking fehlt absente ausente assente отсутствует")
"""Says of what stood before it that it is not there."""

RESIDUAL = _words(
    "other others rest remainder remaining misc miscellaneous background negative negatives normal neg empty nothing none "
    "anything else"
    "everything control controls unrelated random unknown "
    "autre autres reste fond rien andere anderes anderer sonstige sonstiges rest hintergrund restliche leer "
    "otro otros otra otras resto fondo nada vacío altro altri altra altre sfondo niente outro outros outra outras fundo "
    "другое другие другой прочее прочие остальное остальные фон ничего пусто inne inny reszta tło overig overige anders "
    "andra annat annet andre diğer başka muut muu أخرى آخر 其他 其它 其餘 "
    "其余 背景 その他 其の他 そのほか ほか 他 기타 다른 나머지 배경 อื่นๆ อื่น"
)
"""What a class is called that holds whatever the other one does not."""

OPEN = _words(
    "what which who whom whose where when why how wich was welche welcher welches welchen wer wo wie wieviele quel quelle "
    "quels quelles"
    "qui où combien comment quoi que qué cuál cuales cuáles quién dónde cuántos cuántas cómo quale quali cosa chi dove "
    "quanti quante come"
    "qual quais quem onde quantos quantas что какой какая какое какие кто где сколько wat welk welke hoeveel wie vad vilken "
    "vilket hvad"
    "hvilken hvilket hva jaki jaka jakie co kto kolik jaký mi hangi ne kaç ماذا ما מה איזה क्या apa"
)
OPEN_START = ("qu'est", "how many", "wie viele", "¿qué", "¿cuál")
OPEN_UNSPACED = (
    "什么",
    "什麼",
    "哪",
    "几",
    "幾",
    "多少",
    "谁",
    "誰",
    "何",
    "どれ",
    "どの",
    "どんな",
    "いくつ",
    "무엇",
    "무슨",
    "어떤",
    "몇",
    "อะไร",
    "กี่",
)
OR = _words("or oder ou o или ή of eller lub vagy veya atau أو או")
OR_UNSPACED = ("还是", "還是", "或", "それとも", "か、", "아니면", "หรือ")

BAD = _words(
    "bad defect defective defects fault faulty flaw flawed flaws broken damage damaged damages crack cracked cracks scratch "
    "scratched wrong"
    "fail failed failing failure failures reject rejected ng nok anomaly anomalous abnormal abnormality sick ill diseased "
    "disease infected"
    "infection unhealthy rotten spoiled spoilt dirty stained unsafe dangerous danger problem problems issue issues error "
    "errors torn bent"
    "kaputt defekt beschädigt schaden fehler fehlerhaft krank schlecht cassé abîmé endommagé défaut défectueux malade "
    "mauvais roto rota"
    "dañado dañada defecto defectuoso malo enfermo rotto danneggiato difetto difettoso malato quebrado danificado defeito "
    "сломан сломано"
    "сломанный повреждён поврежден повреждена дефект брак больной плохой kapot beschadigd 坏 "
    "壞 损坏 損壞 缺陷 破损 破 不良 故障 次品 破損 欠陥 "
    "異常 异常 불량 고장"
)
GOOD = _words(
    "good ok okay oke fine intact whole undamaged normal healthy pass passed passing accept accepted acceptable safe clean "
    "sound perfect"
    "flawless working works functional usable "
    "gut ganz heil gesund sauber sicher bon bonne intacte sain saine bueno buena sano sana intacto buono sano integro bom "
    "boa хороший"
    "хорошо целый здоровый исправный годный goed heel 好 良好 正常 完好 合格 良品 良 정상 양호 양품"
)
KIN = (
    _words(
        "fire fires burn burning burns burnt flame flames blaze smoke ablaze feuer brennt brand feu brûle fuego quema "
        "incendio fuoco огонь горит пожар 火 燃烧 燃えて"
    ),
    _words(
        "person people human humans man men woman women someone somebody anyone anybody child pedestrian 人 人物 human mensch "
        "menschen personne personnes persona personas"
    ),
    _words("night dark nighttime nacht nuit noche notte ночь 夜"),
    _words("day daytime daylight tag jour día giorno день 昼 白天"),
    _words("open opened offen ouvert abierto aperto открыт 开 開"),
    _words("closed shut close geschlossen fermé cerrado chiuso закрыт 关 閉 關"),
    BAD,
    GOOD,
)
"""Words that ask for the same thing: a class that shares a set with the question's word is the one it asks for."""

PEOPLE = KIN[1]
NOBODY = (
    *("no one", "no-one", "noone", "nobody", "not anyone", "not anybody", "niemand", "niemanden", "niemandem", "nadie"),
    *("nessuno", "ninguém", "никого", "никто", "nikogo", "nikt", "ingen människa", "kimse yok"),
)
"""Words that deny that there are people."""
COUNTING = (
    *("how many", "number of", "wie viele", "wieviele", "combien", "cuántos", "cuántas", "quanti", "quante", "quantos", "quantas"),
    *("сколько", "hoeveel", "hur många", "hvor mange", "ile"),
)
"""How a question begins that asks for a number of something."""
PLACED = _words(
    "under underneath below beneath beside behind between among near by against above over on in inside at across opposite beyond "
    "to from into onto past around through unter neben hinter vor auf zwischen über bei in sous derrière devant entre sur près "
    "bajo debajo detrás delante sobre junto sotto dietro davanti tra fra su sob atrás под за между над около на в "
    "onder achter naast tussen op bij under bakom bredvid mellan på ved mellem"
)
"""Words of place: a number right behind one belongs to what stands there, "two dogs under 3 trees"."""


def _pairs(*texts: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(fold(pair).split()) for text in texts for pair in text.split(", "))


NO_KIND_OF = _pairs(
    "hot dog, corn dog, chili dog, prairie dog, sea dog, teddy bear, gummy bear, koala bear, water bear, sea lion, ant lion",
    "mountain lion, sea horse, rocking horse, hobby horse, pommel horse, clothes horse, guinea pig, sea cow, sea elephant",
    "flying fox, sea mouse, sea spider, sea urchin, dragon fly, butter fly, lady bird, jelly fish, star fish, cray fish",
    "cuttle fish, silver fish, pine apple, custard apple, water melon, cable car, side car, gravy boat, couch potato, cow boy",
)
"""Two words that together name no kind of what the second one names."""
PART_OF = _pairs(
    "monkey wrench, monkey bars, monkey puzzle, horse chestnut, horse radish, horse fly, bear claw, tiger lily, tiger shark",
    "tiger prawn, tiger beetle, leopard seal, elephant seal, zebra crossing, zebra finch, zebra fish, spider monkey, spider plant",
    "snake plant, cat fish, cat tail, cat nip, dog wood, dog rose, dog fish, cow bell, pig tail, duck tape, crab apple, apple pie",
    "apple juice, orange juice, carrot cake, banana bread, pizza box, pizza oven, pizza cutter, cake stand, cake tin, table cloth",
    "table tennis, chair lift, cup board, cup holder, bottle opener, bottle cap, knife block, toilet paper, toilet brush, bed room",
    "book shelf, book case, book store, phone booth, phone case, oven mitt, plane tree, tree house, egg plant, butter fly",
)
"""Two words that together name no kind of what the first one names, though perhaps of what the second one does."""
NAMED_AFTER = _words(
    "dog cat bird horse cow sheep pig goat fish rabbit hamster mouse chicken duck elephant bear zebra giraffe lion tiger "
    "monkey puppy kitten car bus train truck bicycle bike motorcycle boat ship airplane plane"
)
"""Animals and vehicles, in the main those of COCO: of "dog house" the dog is only what the house is for."""
THINGS = _words(
    "house food bed bowl collar leash lead cage kennel crate basket carrier toy treat biscuit sled tag feeder bath box stable "
    "saddle trailer shelter statue figurine sculpture painting drawing poster sticker logo sign print costume mask suit "
    "balloon cake cookie book magazine shop store show park track station stop lane rack platform seat key tire tyre door wheel "
    "window engine mirror wash driver helmet shoe tank bone hair fur skin meat salad soup fin litter seed nest "
    "hangar ramp dock anchor ticket shirt pillow blanket mug flap"
)
"""What may be called after an animal or a vehicle without being one."""

FILLER = _words(
    "có không phải đây là trong ảnh hình con một cái này ada apakah ini di dalam gambar foto sebuah seekor "
    "resimde var mi mu bu bir fotoğrafta هل في الصورة هذا هذه यह क्या है हैं में तस्वीर "
    "a an the this that these those it its is are was were be been being am do does did can could you i we he she they "
    "there here any some"
    "see seen sees seeing show shows shown showing visible appear appears picture image photo photograph scene pic shot "
    "view frame in on at"
    "of to with and has have had what which please answer yes no or not true false contain contains containing include "
    "includes included"
    "depict depicts depicted look looks like one tell me if whether his her their my your at least just only really also "
    "ein eine einen einem einer der die das den dem des ist sind im auf dem bild foto es gibt zu sehen man sieht hier ich "
    "siehst du"
    "un une le la les des du de est sont il elle y a t dans sur image cette ce voit on vois je voyez vous l d c n "
    "el los las una unos hay es son en la imagen foto esta este ves ve se puede ver lo gli c'è è sono nell nella "
    "nell'immagine immagine"
    "foto vedi si vede um uma há o os as na no imagem está vê на в это есть ли картинке фото изображении вижу видно я он она оно "
    "een het de er op staat zie je foto afbeelding en ett det finns i bilden på den af et"
)
"""Words of a question that say nothing of what it asks for, and of an answer that say nothing of a class."""
FILLER_UNSPACED = (
    *("หรือไม่", "หรือเปล่า", "ในภาพ", "รูปนี้", "ภาพนี้", "ไหม", "นี่", "คือ", "เป็น", "มี", "ตัว"),
    *(
        "图片",
        "圖片",
        "照片",
        "画面",
        "图像",
        "图中",
        "圖中",
        "图里",
        "画像",
        "写真",
        "这张",
        "這張",
        "这是",
        "這是",
        "里面",
        "有没有",
        "是不是",
        "是否",
    ),
    *(
        "ありますか",
        "いますか",
        "ですか",
        "これは",
        "この",
        "には",
        "이것은",
        "이미지에",
        "사진에",
        "있습니까",
        "있나요",
        "입니까",
        "인가요",
    ),
    *"图圖里裡中这這是有的吗嗎呢一张張只隻个個条條匹头頭在上吧么否请請？?。，,、！!はがにのをへとでもかね",
)
PARTICLES = (
    "입니다",
    "이에요",
    "예요",
    "이다",
    "이야",
    "이요",
    "입니까",
    "이고",
    "가",
    "는",
    "은",
    "이",
    "를",
    "을",
    "와",
    "과",
    "도",
    "야",
    "요",
    "의",
    "로",
    "으로",
    "에",
    "만",
    "다",
    "들",
    "들이",
    "들은",
    "하고",
    "랑",
    "이랑",
    "일",
    "인",
)
"""What Korean hangs on a noun."""

PREFIX_NO = (
    "no",
    "not",
    "non",
    "without",
    "sans",
    "ohne",
    "kein",
    "keine",
    "sin",
    "senza",
    "sem",
    "geen",
    "zonder",
    "utan",
    "uden",
    "uten",
    "без",
    "не",
    "нет",
    "bez",
    "nie",
    "un",
    "in",
    "im",
    "ir",
    "il",
    "dis",
    "de",
    "anti",
    "free",
)
PREFIX_YES = (
    "has",
    "have",
    "is",
    "with",
    "mit",
    "avec",
    "con",
    "com",
    "med",
    "met",
    "with",
    "s",
    "с",
    "from",
    "yes",
    "contains",
    "having",
    "ist",
    "hat",
    "a",
)
PREFIX_NO_UNSPACED = ("不是", "没有", "沒有", "没", "沒", "无", "無", "非", "不", "未", "ไม่มี", "ไม่ใช่", "ไม่", "비", "무")
PREFIX_YES_UNSPACED = ("有", "是", "มี", "เป็น", "유")
SUFFIX_NO = (
    "free",
    "less",
    "ではない",
    "じゃない",
    "がいない",
    "がない",
    "でない",
    "いない",
    "なし",
    "無し",
    "ない",
    "없음",
    "아님",
    "없는",
    "frei",
    "los",
    "loos",
    "vrij",
)
SUFFIX_YES = ("ful", "がいる", "がある", "である", "です", "あり", "有り", "いる", "ある", "있음", "있는", "임")
