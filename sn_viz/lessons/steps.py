"""Every word of the lesson, as data: what is asked, what there is to guess, what is then said, and where to look.

Texts name measured numbers in braces, ``{alone}`` or ``{n_blocks}``; ``told`` puts them in, a share with its interval.
This file knows nothing of how they were measured. After a change, write the sheet again (``docs/make.py teaching``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

FIRST, CHANGING, WHOLE, COSTLY = "presence-dog", "presence-any", "answerable", "left-of"
"""The sample packs of the lesson: one question, one that changes with the picture, one about the whole picture, one that costs."""


@dataclass(frozen=True)
class Option:
    """One guess; it is right where ``low <= truth < high``."""

    text: str
    low: float
    high: float


@dataclass(frozen=True)
class Look:
    """One place in the workbench to look at, or to do something."""

    text: str
    tab: str
    """The section, by the name that a link gives it; "examples" is the drawer of pictures."""
    at: str = ""
    """Id of the element that is pointed at."""
    select: tuple[tuple[str, str], ...] = ()
    """What is chosen there: a parameter of a link (neuron, layer, t) and the measured number that it takes."""
    press: str = ""
    """Id of a button that is pressed then."""


@dataclass(frozen=True)
class Step:
    """One step: guess, see, look."""

    key: str
    title: str
    minutes: int
    pack: str
    """The sample pack that its place in the workbench is opened on."""
    setting: str
    """What is known before the guess."""
    question: str
    options: tuple[Option, ...]
    reveal: str
    """What was measured."""
    so: str
    """What follows from it."""
    figure: str
    """What the figure shows."""
    looks: tuple[Look, ...]
    discuss: str
    """A question for the class, without an answer."""
    answer: str
    """What a good answer to it holds; on the sheet of answers only."""
    live: str = ""
    """The same of the run in the workbench; "" where nothing can be said of any run."""
    series: dict[str, str] = field(default_factory=dict)
    """Series of the figure -> whose colour it wears: super, full, luck or other."""


SUPER, FULL, LUCK, OTHER = "super", "full", "luck", "other"

STEPS: tuple[Step, ...] = (
    Step(
        key="one-number",
        title="One number can answer",
        minutes=2,
        pack=FIRST,
        setting="A model reads a picture and the question “Is there a dog in the picture?”. Inside it {n_neurons} neurons take a "
        "value. On {n_probing} labelled probing images one of them was chosen, with a threshold. Nothing in the model was "
        "trained.",
        question="On 200 new pictures this one neuron answers alone. How often is it right?",
        options=(
            Option("about half of the time, as guessing is", 0, 0.6),
            Option("about three times in four", 0.6, 0.85),
            Option("more than 17 times in 20", 0.85, 1.01),
        ),
        reveal="{neuron} alone was right on {alone}. The whole model, run to its end, was right on {full}.",
        so="One number among {n_neurons} is enough for this question. It is called a super neuron. Nobody built it to answer: it "
        "was there, and the search found it.",
        figure="The values of {neuron} on the new pictures, by class; the line is the threshold, which {says}.",
        looks=(
            Look("See this neuron, its values and its threshold", "neurons", "neuron-page", (("neuron", "column"),)),
            Look(
                "Move the cut to {moved_at}: right on {moved}",
                "neurons",
                "fig-histogram",
                (("neuron", "column"), ("t", "moved_threshold")),
            ),
            Look("See in which block and place such neurons lie", "neurons", "fig-heatmap"),
        ),
        discuss="The neuron was chosen among {n_neurons} on {n_probing} pictures. Why is its accuracy told on other pictures?",
        answer="The best of very many looks good on the pictures it was chosen on, by luck alone; new pictures took no part in "
        "the choice.",
        live="the outlined neuron, {neuron}, alone is right on {alone}.",
    ),
    Step(
        key="luck",
        title="Luck with few pictures",
        minutes=2,
        pack=FIRST,
        setting="Now the labels of {n_few} probing images are shuffled, so that they mean nothing, and the best of the "
        "{n_neurons} neurons is searched for all the same.",
        question="How often is the best neuron right about these {n_few} meaningless labels?",
        options=(
            Option("on about 2 or 3 of 5", 0, 0.7),
            Option("on about 4 of 5", 0.7, 0.95),
            Option("on all 5 of them", 0.95, 1.01),
        ),
        reveal="In the middle one of {labellings} shuffles the best neuron reaches {luck_few} balanced accuracy; with the right "
        "labels {perfect} neurons make no mistake on the {n_few}. The one then chosen was right on {chosen_few} of new pictures. "
        "With {n_many} probing images luck reaches {luck_many} (90 of 100 shuffles lie in {luck_many_low} to {luck_many_high}), "
        "and the chosen neuron is right on {chosen_many}.",
        so="Many neurons and few pictures: something always fits. So a score means nothing without what luck reaches, and an "
        "accuracy is believed on held-out pictures only.",
        figure="What luck reaches on the probing images (its range holds 90 of 100 shuffles), and how often the neuron chosen "
        "with the right labels is right on new pictures (95 % interval), by the number of probing images.",
        looks=(
            Look("See the shuffled labels of this set beside the best neuron", "compare", "fig-null"),
            Look("Read the verdict, which weighs luck before anything else", "compare", "run-facts"),
        ),
        discuss="A class has 4 pictures of each kind and finds a neuron that is right on all 8. What would convince you?",
        answer="New pictures that took no part in the choice, enough of them for a narrow interval, and a score that shuffled "
        "labels do not reach.",
        live="{labellings} shuffles of its labels reach {luck} at the 95 % line, with {n_probing} probing images.",
        series={
            "best neuron, shuffled labels, on those same pictures": LUCK,
            "neuron chosen with right labels, on new pictures": SUPER,
        },
    ),
    Step(
        key="whole-or-named",
        title="The whole picture, or a named thing",
        minutes=2,
        pack=CHANGING,
        setting="“Is this picture clear enough to answer questions about it?” is about the whole picture and always the same. "
        "“Is there a boat in the picture?” names a thing, and each picture is asked about another one. The neurons are read at "
        "the last word of the prompt, after each block. For the first question the vote is right on {whole_first} after block 1.",
        question="And after block 1, when the thing changes from picture to picture?",
        options=(
            Option("about half, no better than guessing", 0, 0.6),
            Option("about three in four", 0.6, 0.85),
            Option("as good as for the first question", 0.85, 1.01),
        ),
        reveal="After block 1 the vote was right on {named_first}: guessing. After block {named_block} of {n_blocks}, which was "
        "chosen on the probing images, it was right on {named_exit}.",
        so="Block 1 can carry what the picture is like, and which word stood in the question. To say whether they match, one "
        "must be compared with the other, and that takes blocks. One neuron with one threshold cannot undo it: “light” is yes "
        "for one question and no for another.",
        figure="Held-out accuracy of the vote after each block, with 95 % intervals, for both kinds of question.",
        looks=(
            Look("Open the changing question and see its blocks", "exit", "fig-layers"),
            Look("Stop it after block 1 and read the verdict", "exit", "exit-facts", (("layer", "1"),)),
            Look("See in the heatmap where it becomes possible", "neurons", "fig-heatmap"),
        ),
        discuss="Which of your own questions could block 1 answer, and which not?",
        answer="Those about the picture as a whole with the same words each time (light or dark, indoors or out); not those that "
        "name something else each time, nor those that compare or count things.",
        live="after its first block the vote is right on {first}, at the chosen exit (block {exit}) on {at_exit}.",
        series={"whole picture": OTHER, "named thing": SUPER},
    ),
    Step(
        key="race",
        title="They stop early: the race",
        minutes=2,
        pack=FIRST,
        setting="The full model runs {n_blocks} decoder blocks and then writes its answer, right on {full}. The super neurons "
        "vote after some block, and everything behind it is never computed. That block was chosen on the probing images.",
        question="For “Is there a dog in the picture?”, how much of the model has to run?",
        options=(
            Option("about a third of its blocks", 0, 0.45),
            Option("about two thirds", 0.45, 0.8),
            Option("nearly all of it", 0.8, 1.01),
        ),
        reveal="It stops after block {exit} of {n_blocks}; {skipped} blocks, and writing the answer, are left out. There the "
        "vote was right on {early}, the full model on {full}.",
        so="The blocks that run are counted here, for they are the same everywhere. How much time that is worth depends on the "
        "machine: race a picture and read the times of yours.",
        figure="The blocks that each lane runs for one picture.",
        looks=(
            Look("Race a picture now, on this machine", "exit", "btn-race", (), "btn-race"),
            Look("See accuracy and time after every block", "exit", "fig-layers"),
        ),
        discuss="The intervals of both lanes overlap. What may be said about which of them is more often right?",
        answer="With so few pictures, nothing; to tell them apart one counts on the same pictures where one is right and the "
        "other wrong.",
        live="it stops after block {exit} of {n_blocks}; the vote there is right on {early}.",
    ),
    Step(
        key="cost",
        title="Where an early exit costs accuracy",
        minutes=2,
        pack=COSTLY,
        setting="For “Is there a dog in the picture?” the vote after block {early_block} of {n_blocks} was about as good as the "
        "full model. Now the question is “Is the dog left of the car?”. The full model is right on {full}.",
        question="Stop here, too, after block {early_block}. How often is the vote right?",
        options=(
            Option("as often as the full model", 0.93, 1.01),
            Option("on about 4 of 5", 0.7, 0.93),
            Option("on about half, as guessing is", 0, 0.7),
        ),
        reveal="After block {early_block} it is right on {early}; after block {exit}, which was chosen for this question on the "
        "probing images, on {at_exit}.",
        so="An early exit is an exchange: two things must be found and then compared, which takes more blocks than finding one. "
        "How deep one must go is measured for each question.",
        figure="Held-out accuracy of the vote after each block with 95 % intervals; the full model and guessing as lines.",
        looks=(
            Look("Move the exit through the blocks of this question", "exit", "exit-layer"),
            Look("Stop after block {early_block}", "exit", "exit-facts", (("layer", "early_block"),)),
            Look("See which methods are right how often, and how fast", "compare", "fig-compare"),
        ),
        discuss="Who should decide how much accuracy may be given up for speed, and what must they know?",
        answer="Those who bear the mistakes; they need the accuracy with its interval for their own pictures, and what a mistake "
        "costs.",
        live="after block {early_block} the vote is right on {early}, at the chosen exit (block {exit}) on {at_exit}.",
        series={"super neurons": SUPER},
    ),
    Step(
        key="certified",
        title="How early is safe: a certified exit",
        minutes=3,
        pack=FIRST,
        setting="Instead of one block for all, the model may stop as soon as the vote is clear enough. How clear, is chosen on "
        "{n_calibration} calibration pictures, so that early answers contradict the full model seldom.",
        question="Suppose that on all {n_calibration} calibration pictures no early answer contradicts the full model. What can "
        "be promised for new pictures, with 95 % confidence?",
        options=(
            Option("that it never happens", 0, 0.001),
            Option("that it happens on at most 3 of 100", 0.02, 0.0301),
            Option("that it happens on at most 1 of 1,000", 0.001, 0.02),
        ),
        reveal="No slip in {n_calibration} still allows a risk of {none_lost_bound}. Here a promise of {level} was asked for: "
        "the rule that was certified slipped on {lost} of the {n_calibration}. On other test pictures it slipped on {risk}, and "
        "{depth} of {n_blocks} blocks ran on average. A promise of {strict} is refused: it takes at least {needed} calibration "
        "pictures without a slip.",
        so="A promise is made of pictures. Nothing seen to go wrong is not the same as nothing going wrong, and the page says so "
        "instead of promising.",
        figure="How often the early answer contradicts the full model under the certified rule, with 95 % intervals, and the "
        "promise.",
        looks=(
            Look("Choose your own risk and see the exit it allows", "exit", "risk-level"),
            Look("Count mistakes instead of contradictions", "exit", "risk-kind"),
        ),
        discuss="The promise holds for “images like these”. When would it not hold for your school's camera?",
        answer="When the pictures differ from those of the calibration: other light, place, season or things; then calibrate "
        "again.",
        live="for a promise of {level}, {n_calibration} calibration pictures were there, and other pictures slipped on {risk}.",
        series={"": SUPER},
    ),
    Step(
        key="causal",
        title="Causal, or only correlated?",
        minutes=3,
        pack=FIRST,
        setting="The voters tell the answer early. Does the full model itself use them? The test: let the model run to its end, "
        "but overwrite its {n_voters} voters of block {exit} and before, and count how often its answer turns.",
        question="When they are {how}, on how many of the pictures does the full model's answer turn?",
        options=(
            Option("on fewer than 1 in 10", 0, 0.1),
            Option("on 1 to 5 in 10", 0.1, 0.5),
            Option("on more than half", 0.5, 1.01),
        ),
        reveal="The answer turned on {moved}, and on {random} when as many random neurons of the same blocks and places were "
        "overwritten: a difference of {difference}.",
        so="{verdict} To read an answer off a neuron is one thing, to find that the model's answer passes through it another; "
        "only the second is a cause.",
        figure="How often the full model's answer turns when the voters are overwritten, and when random neurons are, with 95 % "
        "intervals.",
        looks=(
            Look("Ask it yourself: “Does the answer depend on them?”", "compare", "check-names"),
            Look("See the voters among the best neurons", "neurons", "neuron-table"),
        ),
        discuss="A thermometer tells that a room is warm. Does breaking it make the room cold? What does that say about neurons?",
        answer="A good indicator need not be a cause; where many neurons carry the same answer, overwriting a few may change "
        "nothing although they take part.",
        live="the answer turned on {moved}, with random neurons on {random}.",
        series={"super neurons": SUPER, "random neurons": LUCK},
    ),
    Step(
        key="own",
        title="Your own photographs",
        minutes=4,
        pack=FIRST,
        setting="Somebody teaches a model to know the pictures of her dog, and asks “Is this one of mine?”. On all of her "
        "{n_probing} probing images the dog stands beside the car; on those without the dog there is no car. On new pictures "
        "with the same habit the best neuron is right on {alike}.",
        question="And on pictures where the car has nothing to do with the dog?",
        options=(
            Option("as often as before", 0.85, 1.01),
            Option("a little less", 0.65, 0.85),
            Option("about half, as guessing is", 0, 0.65),
        ),
        reveal="There the best neuron, {neuron}, was right on {other}, the vote at the exit on {vote_other} (with the habit: "
        "{vote_alike}). On {says_car} of these pictures the neuron said yes just when there was a car.",
        so="The search takes whatever separates the pictures it is given, and here that was the car. Held-out pictures with the "
        "same habit do not show it. So when you photograph, change place, light and distance for each class alike, and test on a "
        "second occasion.",
        figure="How often the best neuron and the vote are right on pictures with the habit and without it, with 95 % intervals.",
        looks=(
            Look(
                "Open the drawer: two classes, twenty pictures each, and a second recording for the test", "examples", "source-own"
            ),
            Look("Then find, and read the verdict before the speed", "neurons", "run-facts"),
        ),
        discuss="Which habit could your own pictures have? How would you find out?",
        answer="Background, light, hand or distance that goes with the class; look at the pictures that the neuron is sure and "
        "wrong about, and test with pictures made so that habit and class come apart.",
        series={"best neuron": SUPER, "vote at the exit": OTHER},
    ),
)
"""The lesson, in order."""
