"""Wasserstein GAN with a gradient penalty: the gradient of a gradient, n_critic steps of the critic per generator step."""

import numpy as np
import torch
import torch.autograd as autograd
import torch.nn as nn
from torch.autograd import Variable

draw = np.random.RandomState(13)
shape = (1, 16, 16)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()

        def block(in_feat, out_feat, normalize=True):
            layers = [nn.Linear(in_feat, out_feat)]
            if normalize:
                layers.append(nn.BatchNorm1d(out_feat, 0.8))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            return layers

        self.model = nn.Sequential(
            *block(20, 32, normalize=False), *block(32, 64), nn.Linear(64, int(np.prod(shape))), nn.Tanh()
        )

    def forward(self, z):
        img = self.model(z)
        return img.view(img.shape[0], *shape)


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, 2, 1), nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(8, 8, 3, 2, 1), nn.Softplus()
        )
        self.head = nn.Linear(8 * 16, 1)

    def forward(self, img):
        return self.head(self.features(img).flatten(1))


def penalty(critic, real, fake):
    alpha = torch.tensor(draw.random_sample((real.size(0), 1, 1, 1)), dtype=torch.float32)
    between = (alpha * real + ((1 - alpha) * fake)).requires_grad_(True)
    score = critic(between)
    ones = Variable(torch.ones(real.shape[0], 1), requires_grad=False)
    gradients = autograd.grad(
        outputs=score, inputs=between, grad_outputs=ones, create_graph=True, retain_graph=True, only_inputs=True
    )[0]
    gradients = gradients.view(gradients.size(0), -1)
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean()


def models():
    return {"generator": Generator(), "critic": Critic()}


def train(generator, critic):
    optimizer_G = torch.optim.Adam(generator.parameters(), lr=0.0002, betas=(0.5, 0.999))
    optimizer_D = torch.optim.Adam(critic.parameters(), lr=0.0002, betas=(0.5, 0.999))
    for i in range(20):
        real = Variable(torch.Tensor(draw.uniform(-1, 1, (16, *shape))))
        z = Variable(torch.Tensor(draw.normal(0, 1, (16, 20))))
        optimizer_D.zero_grad()
        fake = generator(z)
        d_loss = -torch.mean(critic(real)) + torch.mean(critic(fake)) + 10 * penalty(critic, real.data, fake.data)
        d_loss.backward()
        optimizer_D.step()
        yield d_loss.item()
        optimizer_G.zero_grad()
        if i % 5 == 0:
            g_loss = -torch.mean(critic(generator(z)))
            g_loss.backward()
            optimizer_G.step()
            yield g_loss.item()
