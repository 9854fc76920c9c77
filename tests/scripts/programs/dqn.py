"""Deep Q-learning on random transitions: replay memory, gather, masked next states, a target net that follows slowly."""

import random
from collections import deque, namedtuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

draw = np.random.RandomState(19)
Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))


class ReplayMemory:
    def __init__(self, capacity):
        self.memory = deque([], maxlen=capacity)

    def push(self, *args):
        self.memory.append(Transition(*args))

    def sample(self, batch_size):
        return random.sample(self.memory, batch_size)

    def __len__(self):
        return len(self.memory)


class DQN(nn.Module):
    def __init__(self, observations, actions):
        super().__init__()
        self.layer1 = nn.Linear(observations, 32)
        self.layer2 = nn.Linear(32, 32)
        self.layer3 = nn.Linear(32, actions)

    def forward(self, x):
        return self.layer3(F.relu(self.layer2(F.relu(self.layer1(x)))))


def models():
    policy = DQN(4, 2)
    target = DQN(4, 2)
    target.load_state_dict(policy.state_dict())
    return {"policy_net": policy, "target_net": target}


def train(policy_net, target_net):
    random.seed(0)
    optimizer = optim.AdamW(policy_net.parameters(), lr=1e-3, amsgrad=True)
    memory = ReplayMemory(1000)
    state = torch.tensor(draw.randn(4), dtype=torch.float32).unsqueeze(0)
    for step in range(60):
        with torch.no_grad():
            greedy = policy_net(state).max(1).indices.view(1, 1)
        action = greedy if random.random() > 0.5 else torch.tensor([[random.randrange(2)]], dtype=torch.long)
        after = None if step % 9 == 8 else torch.tensor(draw.randn(4), dtype=torch.float32).unsqueeze(0)
        memory.push(state, action, after, torch.tensor([draw.rand()], dtype=torch.float32))
        state = torch.tensor(draw.randn(4), dtype=torch.float32).unsqueeze(0) if after is None else after
        if len(memory) < 32:
            continue
        batch = Transition(*zip(*memory.sample(16)))
        non_final = torch.tensor(tuple(map(lambda s: s is not None, batch.next_state)), dtype=torch.bool)
        values = policy_net(torch.cat(batch.state)).gather(1, torch.cat(batch.action))
        next_values = torch.zeros(16)
        with torch.no_grad():
            next_values[non_final] = target_net(torch.cat([s for s in batch.next_state if s is not None])).max(1).values
        expected = next_values * 0.99 + torch.cat(batch.reward)
        loss = nn.SmoothL1Loss()(values, expected.unsqueeze(1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(policy_net.parameters(), 100)
        optimizer.step()
        slow, fast = target_net.state_dict(), policy_net.state_dict()
        for key in fast:
            slow[key] = fast[key] * 0.05 + slow[key] * 0.95
        target_net.load_state_dict(slow)
        yield loss.item()
