"""The same in the machine's own PyTorch, if any: ``in_torch.py peak`` and ``in_torch.py dain-depth``.

Runs without reel: its environment is that of PyTorch. The weights of the network are PyTorch's own random
ones; the time hardly depends on them.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

SIZES = ((320, 256), (640, 512), (1280, 768))
"""Width and height as dain-depth gets them, of films of 320x240, 640x480 and 1280x720."""


def tell(**fields):
    print(f"@@{json.dumps(fields)}", flush=True)


def rounds(torch, run, count):
    """Return the seconds of one run, the median of several rounds after a warm-up."""
    times = []
    for _ in range(6):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(count):
            run()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - began) / count)
    return statistics.median(times[1:])


def peak(torch, *, small):
    side = 256 if small else 8192
    rates = {}
    for name, dtype in (("fp16", torch.float16), ("fp32", torch.float32)):
        left, right = (torch.randn(side, side, device="cuda").to(dtype) for _ in range(2))
        rates[f"{name}_teraflops"] = 2 * side**3 / rounds(torch, lambda a=left, b=right: a @ b, 10) / 1e12
    words = ", ".join(f"{name.partition('_')[0]} {rate:.0f} TFLOP/s" for name, rate in rates.items())
    tell(side=side, **rates, torch=torch.__version__, line=words)


def dain_depth(torch, *, small):
    import torch_dain_depth

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    torch.set_default_device("cuda")  # its grids, too
    net = torch_dain_depth.DainDepth().eval()
    speed = {}
    with torch.inference_mode():
        for width, height in SIZES[:1] if small else SIZES:
            a, b = (torch.rand(1, 3, height, width) for _ in range(2))
            for name in ("float32", "float16 where autocast puts it"):
                with torch.autocast("cuda", torch.float16, enabled=name != "float32"):
                    seconds = rounds(torch, lambda a=a, b=b: net(a, b, 0.5), 2)
                speed[f"{width}x{height} {name}"] = 1 / seconds
                words = ", ".join(f"{key} {rate:.3g} fps" for key, rate in speed.items())
                tell(frames_per_second_by_size=speed, torch=torch.__version__, line=words)


def main():
    what, small = sys.argv[1], "--rehearse" in sys.argv
    try:
        import torch
    except ImportError:
        tell(line="there is no PyTorch here")
        return
    if not torch.cuda.is_available():
        tell(line=f"PyTorch {torch.__version__} sees no GPU")
        return
    {"peak": peak, "dain-depth": dain_depth}[what](torch, small=small)


if __name__ == "__main__":
    main()
