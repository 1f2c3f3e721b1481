"""Runs all cases, or those whose names contain a word of the arguments."""

import sys

import docker
from docker.models import containers, images, networks, plugins, volumes

import harness

for watched in (
    docker.APIClient, docker.DockerClient, containers.ContainerCollection, containers.Container, images.ImageCollection,
    images.Image, images.RegistryData, networks.NetworkCollection, networks.Network, volumes.VolumeCollection,
    volumes.Volume, plugins.PluginCollection,
):
    harness.watch(watched)

for module in ("containers", "images", "objects", "system", "low_level"):
    try:
        __import__(module)
    except ModuleNotFoundError as e:
        if e.name != module: raise

sys.exit(1 if harness.run(sys.argv[1:]) else 0)
