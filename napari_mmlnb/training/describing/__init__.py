"""Fine-tuning a describing model by LoRA on images with their descriptions: MMLNB's stage A."""
