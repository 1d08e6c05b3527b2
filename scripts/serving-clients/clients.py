"""Asks a model server on a port with tritonclient, kserve or mlserver: `clients.py PORT CLIENT`.

Every answer must equal that of /api/v1/predict. One client a process: kserve and mlserver define the same protobufs.
"""

import asyncio
import sys

import numpy as np
import requests

port = int(sys.argv[1])
base = f"http://127.0.0.1:{port}"
name = requests.get(f"{base}/api/v1/version", timeout=10).json()["model"]
described = requests.get(f"{base}/api/v1/models/{name}", timeout=10).json()
is_text = described["inputs"][0]["type"] == "text"
texts = ["the cat sat", "кот смеётся", ""]
numbers = np.array([[0.25 * (row + 1)] * len(described["inputs"]) for row in range(3)])
rows = texts if is_text else numbers.tolist()
native = requests.post(f"{base}/api/v1/predict", json={"instances": rows}, timeout=10).json()["predictions"]
labels = [str(answer["label"]) for answer in native]
scores = np.ravel([list(answer["probabilities"].values()) for answer in native])


def same(found_labels, found_scores, who):
    found = [label.decode() if isinstance(label, bytes) else str(label) for label in np.ravel(found_labels)]
    assert found == labels, (who, found, labels)
    assert np.array_equal(np.ravel(found_scores), scores), (who, found_scores, scores)
    print(f"{who}: ok")


def with_triton():
    import tritonclient.http as triton

    client = triton.InferenceServerClient(f"127.0.0.1:{port}")
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(name)
    assert client.get_server_metadata()["name"] == "pinnace"
    metadata = client.get_model_metadata(name)
    assert metadata["name"] == name and metadata["versions"] == ["1"]
    for is_binary in (True, False):
        if is_text:
            given = triton.InferInput("text", [len(texts)], "BYTES")
            given.set_data_from_numpy(np.array([text.encode() for text in texts], dtype=object), is_binary)
        else:
            given = triton.InferInput("input", list(numbers.shape), "FP64")
            given.set_data_from_numpy(numbers, is_binary)
        wanted = [triton.InferRequestedOutput(output, binary_data=is_binary) for output in ("predict", "predict_proba")]
        for outputs in (wanted, None):
            answer = client.infer(name, [given], outputs=outputs, request_id="7")
            assert answer.get_response()["id"] == "7"
            same(answer.as_numpy("predict"), answer.as_numpy("predict_proba"), f"tritonclient, binary {is_binary}")
    try:
        client.infer("nobody", [given])
        raise AssertionError("a model that is not there was answered for")
    except triton.InferenceServerException as error:
        assert "nobody" in error.message(), error
    index = client.get_model_repository_index()
    assert index[0]["name"] == name and index[0]["state"] == "READY", index
    client.unload_model(name)
    assert not client.is_model_ready(name)
    client.load_model(name)
    assert client.is_model_ready(name)
    client.close()


async def with_kserve():
    from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_live(base) and await client.is_server_ready(base)
    assert await client.is_model_ready(base, name)
    if is_text:
        given = InferInput("text", [len(texts)], "BYTES", data=texts)
    else:
        given = InferInput("input", list(numbers.shape), "FP64", data=numbers.ravel().tolist())
    answer = await client.infer(base, InferRequest(model_name=name, infer_inputs=[given]), model_name=name)
    outputs = {output.name: output for output in answer.outputs}
    same(outputs["predict"].data, outputs["predict_proba"].data, "kserve, version 2")
    if not is_text:
        given = InferInput("input", list(numbers.shape), "FP64")
        given.set_data_from_numpy(numbers, binary_data=True)
        request = InferRequest(model_name=name, infer_inputs=[given], parameters={"binary_data_output": True})
        answer = await client.infer(base, request, model_name=name)
        outputs = {output.name: output for output in answer.outputs}
        same(outputs["predict"].as_numpy(), outputs["predict_proba"].as_numpy(), "kserve, binary")
    client = InferenceRESTClient(RESTConfig(protocol="v1"))
    answer = await client.infer(base, {"instances": rows}, model_name=name)
    same(answer["predictions"], answer["probabilities"], "kserve, version 1")


def with_mlserver():
    from mlserver.codecs import NumpyCodec, StringCodec
    from mlserver.types import InferenceRequest, InferenceResponse

    if is_text:
        inputs = [StringCodec.encode_input("text", texts)]
    else:
        inputs = [NumpyCodec.encode_input("input", numbers)]
    request = InferenceRequest(inputs=inputs)
    answer = requests.post(
        f"{base}/v2/models/{name}/infer",
        data=request.model_dump_json(exclude_none=True),
        headers={"content-type": "application/json"},
        timeout=10,
    )
    outputs = {output.name: output for output in InferenceResponse.model_validate_json(answer.text).outputs}
    label = outputs["predict"]
    codec = StringCodec if label.datatype == "BYTES" else NumpyCodec
    same(codec.decode_output(label), NumpyCodec.decode_output(outputs["predict_proba"]), "mlserver's codecs")


match sys.argv[2]:
    case "tritonclient":
        with_triton()
    case "kserve":
        asyncio.run(with_kserve())
    case "mlserver":
        with_mlserver()
    case other:
        sys.exit(f"no such client: {other}")
