"""When things happen in a training by Lightning's Trainer."""

import lightning
import torch
from lightning.pytorch.accelerators import CPUAccelerator

from workload.trainer import fit


class Module(lightning.LightningModule):
    def __init__(self, events):
        super().__init__()
        self.events = events
        self.layer = torch.nn.Linear(1, 1)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def train_dataloader(self):
        return [torch.ones(1, 1)]

    def training_step(self, batch, index):
        self.events.append("step")
        return self.layer(torch.ones(1, 1)).sum()


def test_it_begins_between_the_devices_setup_and_the_first_batch(monkeypatch):
    """A GPU's setup frees memory that graphs captured before it would write into."""
    events = []
    setup = CPUAccelerator.setup_device
    monkeypatch.setattr(
        CPUAccelerator,
        "setup_device",
        lambda self, device: (events.append("device"), setup(self, device))[1],
    )
    fit(
        Module(events),
        lightning.Callback(),
        device=torch.device("cpu"),
        epochs=2,
        begin=lambda: events.append("begin"),
    )
    assert events == ["device", "begin", "step", "step"]
