"""Networks: one folder for each paper, the baselines, and what they share.

Symbols, in code, comments and shapes:

    b      clips of a batch               l, l_m   steps of a sequence; of modality m
    m      modality: text, audio, vision  d_m      features of a step of modality m, as they come
    d      model width                    t, a, v  text, audio, vision in the papers' subscripts
    x, X_m values of a modality           valid    (b, l) bool: a step of the clip, not padding
    keep   (b, l) bool: valid, not lost   missing  (b, l) bool: valid and lost
    h, H_m hidden states                  hub      tokens that travel through the modalities (MFMB-Net, Eq. 4)
    y      label                          L_rec    reconstruction loss; alpha_m its weight for modality m
"""
