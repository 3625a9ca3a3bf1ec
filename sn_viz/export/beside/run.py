"""Labels pictures with a few neurons of the model that lies beside this file: python run.py PICTURE...

Needs torch, transformers, numpy and pillow, and nothing else.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image, ImageOps

HERE = Path(__file__).resolve().parent


class Shortcut:
    """The first blocks of a model, with the neurons that vote."""

    def __init__(self, folder=HERE, device=None):
        self.told = json.loads((Path(folder) / "shortcut.json").read_text(encoding="utf-8"))
        kind, number = getattr(transformers, self.told["class"]), getattr(torch, self.told["dtype"])
        self.processor = transformers.AutoProcessor.from_pretrained(folder, local_files_only=True)
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.model = kind.from_pretrained(folder, dtype=number, local_files_only=True).eval().to(device)
        self.held, self.voters = {}, self.told["voters"]
        for place in {voter["place"]: None for voter in self.voters}:
            module = self.model.get_submodule(place.partition(":")[2])
            if place.startswith("input:"):
                module.register_forward_pre_hook(
                    lambda _m, args, named, p=place: self.keep(p, (*args, *named.values())), with_kwargs=True
                )
            else:
                module.register_forward_hook(lambda _m, _args, made, p=place: self.keep(p, made))

    def keep(self, place, held):
        self.held[place] = held if torch.is_tensor(held) else next(part for part in held if torch.is_tensor(part))

    @torch.inference_mode()
    def __call__(self, image, question=None):
        """Return the label of a PIL image and each class's share of the vote."""
        told, question = self.told, question or self.told["question"]
        text, images = question.join(told["prompt"]), [[image]] if told["nested"] else [image]
        inputs = self.processor(images=images, text=[text], return_tensors="pt", **told["text_options"])
        self.model(**inputs.to(self.model.device, self.model.dtype), **told["options"])
        share = self.vote(np.array([self.value(**voter) for voter in self.voters], np.float32))
        return told["classes"][int((share >= share.max() - 1e-6).argmax())], share.tolist()

    def value(self, place, unit, tower, **_):
        states = self.held[place]
        if tower:  # the mean over the patches of the picture
            states = states.flatten(2).transpose(1, 2) if self.told["channels_first"] else states
            vector = states.flatten(0, -2)[int(self.told["class_token"]) :, unit].mean(dtype=torch.float32)
        else:  # the last position of the prompt
            vector = states.reshape(-1, states.shape[-1])[-1, unit]
        return vector.float().clamp(-65504, 65504).half().item()  # rounded as the values that the thresholds were fitted on

    def vote(self, values):
        cut, sign, weight, of = (np.array([v[name] for v in self.voters]) for name in ("threshold", "sign", "weight", "class"))
        says = np.where(sign > 0, values > cut.astype(np.float32), values < cut.astype(np.float32)) * weight
        n, offset = len(self.told["classes"]), self.told.get("offset")
        if offset is not None:  # weights of a logistic regression on the votes: probabilities
            odds = np.array([offset[c] + says[of == c].sum() for c in range(n)])
            odds = np.exp(odds - odds.max())
            return (odds / odds.sum()).astype(np.float32)
        tally = [says[of == c].sum() / max(weight[of == c].sum(), 1e-300) for c in range(n)]
        tally = np.array([1 - tally[1], tally[1]] if n == 2 else tally)
        return (tally / tally.sum() if tally.sum() > 0 else np.full(n, 1 / n)).astype(np.float32)


if __name__ == "__main__":
    label = Shortcut()
    for name in sys.argv[1:]:
        said, shares = label(ImageOps.exif_transpose(Image.open(name)).convert("RGB"))
        print(json.dumps({"picture": name, "label": said, "shares": dict(zip(label.told["classes"], shares, strict=True))}))
