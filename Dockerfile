# medgen with the versions of requirements.lock. `docker build --tag medgen .` makes it without CUDA; with `--build-arg DEVICE=cuda` it has
# the PyTorch of PyPI, which brings CUDA with it, and wants `docker run --gpus all`.
# docker run --rm --volume "$PWD:/data" --user "$(id --user):$(id --group)" medgen demo --out demo
ARG PYTHON=3.13
FROM python:${PYTHON}-slim
ARG DEVICE=cpu

WORKDIR /medgen
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY medgen medgen
COPY cli cli
COPY configs configs
# The index of PyTorch is asked for PyTorch alone; all that it needs comes from PyPI.
RUN sed -n '/^[a-z0-9]/s/ \\$//p' requirements.lock > versions.txt \
    && if [ "$DEVICE" = cpu ]; then \
           pip install --no-cache-dir --no-deps --index-url https://download.pytorch.org/whl/cpu "$(grep '^torch==' versions.txt)"; \
       fi \
    && pip install --no-cache-dir --constraint versions.txt '.[features,video]'

# Nothing of medgen needs root: it runs as nobody, or as whom `--user` says, and either can write its caches.
ENV HOME=/tmp
USER 65534:65534
WORKDIR /data
ENTRYPOINT ["medgen"]
CMD ["--help"]
