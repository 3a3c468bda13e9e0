"""The five videos, each of a kind that a transcoder may take in another way than ffmpeg does."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

PICTURE = ["-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=30:duration=6"]
TONE = ["-f", "lavfi", "-i", "sine=frequency=440:duration=6"]
VP8 = ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"]
H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]


@dataclass(frozen=True)
class Video:
    """A file, and how it is uploaded."""

    name: str
    file: Path
    kind: str
    has_sound: bool = True
    in_parts: bool = False
    is_broken: bool = False

    @property
    def mail(self) -> str:
        return f"{self.name}@example.com"


def make(directory: Path) -> list[Video]:
    """Encodes them in this directory."""
    recorded, fragmented, silent, large, broken = (
        directory / name for name in ("recorded.webm", "fragmented.mp4", "silent.mp4", "large.mp4", "broken.webm")
    )
    # As MediaRecorder writes it: without a duration and without an index.
    _encode([*PICTURE, *TONE, *VP8, "-f", "webm", "-live", "1"], recorded)
    _encode([*PICTURE, *TONE, *H264, "-movflags", "frag_keyframe+empty_moov+default_base_moof"], fragmented)
    _encode([*PICTURE, *H264, "-an"], silent)
    # More than the 5 MiB that S3 wants of every part but the last.
    _encode([*PICTURE, *TONE, *H264, "-vf", "noise=alls=60:allf=t", "-b:v", "16M", "-maxrate", "16M"], large)
    broken.write_bytes(b"this is no video" * 1000)
    return [
        Video("recorded", recorded, "video/webm"),
        Video("fragmented", fragmented, "video/mp4"),
        Video("silent", silent, "video/mp4", has_sound=False),
        Video("large", large, "video/mp4", in_parts=True),
        Video("broken", broken, "video/webm", is_broken=True),
    ]


def _encode(options: list[str], file: Path):
    command = ["ffmpeg", "-v", "error", "-y", *options, str(file)]
    subprocess.run(command, check=True, timeout=120, stdin=subprocess.DEVNULL)
