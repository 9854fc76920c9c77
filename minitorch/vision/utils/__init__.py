"""Pictures of pictures: grids, files, boxes and masks drawn upon them."""

from .drawing import draw_bounding_boxes, draw_segmentation_masks
from .grid import make_grid, save_image

__all__ = ["draw_bounding_boxes", "draw_segmentation_masks", "make_grid", "save_image"]
