"""Small benchmarks in exactly the published forms, made on the spot: the folders that people have after a download."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from image_files import png

OBJECTS = ("dog", "chair", "car", "cup", "person", "book")


def write_json(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def write_png(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(seed))


def pope(folder: Path, n: int = 8) -> Path:
    """Six questions a photograph, three of them yes, in each of three files with one object a line."""
    for setting, shift in (("random", 0), ("popular", 1), ("adversarial", 2)):
        lines = []
        for image in range(n):
            name = f"COCO_val2014_{image:012d}.jpg"
            write_png(folder / "val2014" / name, image)
            for k in range(6):
                # the objects that are there are asked about in every setting, the absent ones differ
                kind = OBJECTS[k] if k < 3 else f"{OBJECTS[k]} {shift}"
                entry = {"question_id": len(lines) + 1, "image": name, "text": f"Is there a {kind} in the image?"}
                lines.append(json.dumps(entry | {"label": "yes" if k < 3 else "no"}))
        (folder / f"coco_pope_{setting}.json").write_text("\n".join(lines) + "\n")
    return folder


def aokvqa(folder: Path, n: int = 16) -> Path:
    for part, first in (("train", 0), ("val", 1000)):
        rows = []
        for i in range(first, first + n):
            write_png(folder / f"{part}2017" / f"{i:012d}.jpg", i)
            rows.append(
                {
                    "split": part,
                    "image_id": i,
                    "question_id": f"q{i}",
                    "question": "What is the man waiting for?",
                    "choices": ["a cab", "a train", "rain", "lunch"],
                    "correct_choice_idx": i % 4,
                    "direct_answers": ["cab"] * 10,
                    "difficult_direct_answer": False,
                    "rationales": ["He has bags."],
                }
            )
        write_json(folder / f"aokvqa_v1p0_{part}.json", rows)
    return folder


def scienceqa(folder: Path, n: int = 12) -> Path:
    """Two choices each; every third problem has no picture; one of the training problems has five choices."""
    problems, splits = {}, {"train": [], "val": [], "test": []}
    for part, first in (("train", 0), ("val", 1000), ("test", 2000)):
        for i in range(first, first + n):
            with_picture = i % 3 != 2
            choices = ["copper", "iron"] if i != 1 else ["a", "b", "c", "d", "e"]
            problems[str(i)] = {
                "question": "Which is magnetic?",
                "choices": choices,
                "answer": i % 2 if i != 1 else 4,
                "hint": "Look at the picture." if i % 2 else "",
                "image": "image.png" if with_picture else None,
                "task": "closed choice",
                "grade": "grade2",
                "lecture": "",
                "solution": "",
                "split": part,
            }
            splits[part].append(str(i))
            if with_picture:
                write_png(folder / "images" / part / str(i) / "image.png", i)
    write_json(folder / "problems.json", problems)
    write_json(folder / "pid_splits.json", splits)
    return folder


def vizwiz(folder: Path, n: int = 8) -> Path:
    for part, first in (("train", 0), ("val", 1000)):
        rows = []
        for i in range(first, first + n):
            name = f"VizWiz_{part}_{i:08d}.jpg"
            write_png(folder / part / name, i)
            word = "soup" if i % 2 else "unanswerable"
            answers = [{"answer": word, "answer_confidence": "yes"}] * 10
            rows.append(
                {
                    "image": name,
                    "question": "What is in this tin?",
                    "answers": answers,
                    "answer_type": "other" if i % 2 else "unanswerable",
                    "answerable": i % 2,
                }
            )
        write_json(folder / "Annotations" / f"{part}.json", rows)
    return folder


def clevr(folder: Path, n: int = 6) -> Path:
    """Four questions a picture: yes, no, a number and a colour."""
    for part, first in (("train", 0), ("val", 1000)):
        questions = []
        for i in range(first, first + n):
            name = f"CLEVR_{part}_{i:06d}.png"
            write_png(folder / "images" / part / name, i)
            for k, (text, answer) in enumerate(
                [("Is there a cube?", "yes"), ("Is there a ball?", "no"), ("How many?", "3"), ("What colour?", "red")]
            ):
                questions.append(
                    {
                        "image_filename": name,
                        "image_index": i,
                        "split": part,
                        "question": text,
                        "answer": answer,
                        "question_index": k,
                        "question_family_index": k,
                        "program": [{"inputs": [], "function": "scene", "value_inputs": []}],
                    }
                )
        info = {"split": part, "version": "1.0", "license": "CC BY", "date": "2017"}
        write_json(folder / "questions" / f"CLEVR_{part}_questions.json", {"info": info, "questions": questions})
    return folder


def instaorder(folder: Path, n: int = 24) -> Path:
    """Two objects a photograph, the left one in front; COCO's own annotations beside the orders."""
    for part, first in (("train", 1), ("val", 1001)):
        orders, annotations, images = [], [], []
        for i in range(first, first + n):
            name = f"{i:012d}.jpg"
            write_png(folder / f"{part}2017" / name, i)
            images.append({"id": i, "file_name": name, "width": 20, "height": 16, "license": 1})
            for k in range(2):
                left = 2.0 + 8 * k
                polygon = [left, 2.0, left + 5, 2.0, left + 5, 9.0, left, 9.0]
                annotations.append(
                    {
                        "id": 10 * i + k,
                        "image_id": i,
                        "category_id": 1 + k,
                        "iscrowd": 0,
                        "area": 35.0,
                        "bbox": [left, 2.0, 5.0, 7.0],
                        "segmentation": [polygon],
                    }
                )
            orders.append(
                {
                    "image_id": i,
                    "instance_ids": [10 * i, 10 * i + 1],
                    "occlusion": [{"order": "0<1", "count": 2}],
                    "depth": [{"order": "0<1", "overlap": False, "count": 2}],
                }
            )
        categories = [{"id": 1, "name": "person", "supercategory": "person"}, {"id": 2, "name": "dog", "supercategory": "animal"}]
        coco = {"info": {"year": 2017}, "images": images, "annotations": annotations, "categories": categories}
        write_json(folder / "annotations" / f"InstaOrder_{part}2017.json", {"annotations": orders})
        write_json(folder / "annotations" / f"instances_{part}2017.json", coco)
    return folder


MAKERS = {
    "pope": pope,
    "aokvqa": aokvqa,
    "scienceqa": scienceqa,
    "vizwiz": vizwiz,
    "clevr": clevr,
    "instaorder-occlusion": instaorder,
    "instaorder-depth": instaorder,
}
